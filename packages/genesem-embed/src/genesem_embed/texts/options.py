"""The choices that a user has in turning a slide into texts."""

from dataclasses import dataclass, field
from pathlib import Path

from genesem_embed.datasets.options import PreprocessOptions
from genesem_embed.texts.budget import TokenBudget
from genesem_embed.texts.cells.options import CellOptions


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """Choices of all recipes; each reads its own and stamps those that decide its texts."""

    top_genes: int = 20
    """Genes listed per spot (spot-symbols)."""
    template: str | None = None
    """Wording; None takes the recipe's first."""
    preprocess: PreprocessOptions = field(default_factory=PreprocessOptions)
    gene_table: Path | None = None
    """NCBI folder, or a parquet, csv or tsv table (gene-summaries)."""
    organism: str | None = None
    """`human`, `mouse` or an NCBI taxonomy number; None takes the slide's own, else the one whose symbols fit."""
    orthologues: bool = False
    """Take the human summary where a gene of another organism has none (gene-summaries)."""
    cells: CellOptions = field(default_factory=CellOptions)
    """Everything else of cell-sentences."""
    budget: TokenBudget | None = None
    """What the model takes; None writes prompts of any length (cell-sentences)."""
