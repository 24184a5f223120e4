"""The options of `genesem-embed build`: what each is called and what its help says, in the order of the help."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from genesem_embed.cli import engines


class Precision(enum.StrEnum):
    """How a stored number is kept."""

    float16 = "float16"
    float32 = "float32"


class Quantization(enum.StrEnum):
    """How the weights are held while encoding."""

    none = "none"
    int8 = "int8"
    nf4 = "nf4"


class Device(enum.StrEnum):
    """Where the encoder runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


Dataset = Annotated[
    str,
    typer.Option("--dataset", help="A registered name, or a slide: .h5ad, Visium or Xenium folder, SpatialData .zarr."),
]
Recipe = Annotated[
    str,
    typer.Option(
        help="How the slide becomes texts: spot-symbols, gene-summaries, cell-sentences, unrelated-words (control)."
    ),
]
Template = Annotated[str | None, typer.Option(help="Wording of the recipe. [default: the recipe's first, e.g. paper]")]
Model = Annotated[
    str | None,
    typer.Option(
        help="Hub id, folder, or minilm (bundled). [default: Qwen/Qwen3-4B, for summaries Qwen/Qwen3-Embedding-4B]"
    ),
]
TopGenes = Annotated[int, typer.Option(min=1, help="Genes listed per spot, most expressed first.")]
MinCells = Annotated[int, typer.Option(min=0, help="Drop genes found in fewer spots before choosing variable genes.")]
NHvg = Annotated[int, typer.Option(min=1, help="Highly variable genes that texts may name.")]
GeneTable = Annotated[
    Path | None, typer.Option(help="Gene texts for gene-summaries: NCBI folder, or a parquet, csv or tsv table.")
]
Organism = Annotated[
    str | None, typer.Option(help="human, mouse or an NCBI taxonomy number. [default: the slide's own]")
]
Orthologues = Annotated[bool, typer.Option("--orthologues", help="Use the human summary where a mouse gene has none.")]
Cells = Annotated[
    list[str] | None,
    typer.Option(
        "--cells",
        metavar="NAME=VALUE",
        help="Option of cell-sentences, repeatable: k=3, pairing=spatial, negatives=paper-like, sections=near, "
        "scaling=p99, split_key=donor, status_key=stage, folds=4, occlude=CD3, sample=500 ...",
    ),
]
Variants = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="'NAME=VALUE ...'",
        help="Build once for each of these changes to --cells, repeatable; the model is loaded once: "
        "--variant k=0 --variant 'k=3 negatives=paper-like'.",
    ),
]
CountsLayer = Annotated[str | None, typer.Option(help="Layer that holds the raw counts, where X does not.")]
GeneSymbols = Annotated[
    str | None, typer.Option(help="Column of var that holds gene symbols, where the index holds Ensembl ids.")
]
StoredPrecision = Annotated[Precision, typer.Option(help="Stored precision.")]
Weights = Annotated[Quantization, typer.Option(help="Weights while encoding.")]
BatchTokens = Annotated[int | None, typer.Option(min=1, help="Token budget of one batch. [default: by device]")]
RunsOn = Annotated[Device, typer.Option(help="Where the encoder runs.")]
Pooling = Annotated[
    str, typer.Option(help="mean, user-mean (the user part alone), last (token), or auto: as the model says.")
]
Style = Annotated[str, typer.Option(help="chat, instruct, plain, or auto: as the model says.")]
Layer = Annotated[int, typer.Option(help="Hidden states to pool; -1 is the last layer.")]
Thinking = Annotated[
    bool,
    typer.Option("--thinking", help="Leave the model's turn open for thoughts, as SemST's released code does."),
]
MaxTokens = Annotated[int | None, typer.Option(min=1, help="Longest text. [default: as the model says]")]
Truncate = Annotated[str, typer.Option(help="A longer text is an error, or cut at its end or start.")]
Int8Threshold = Annotated[
    float, typer.Option(min=0.0, help="Outliers of int8; 0 keeps the texts of a batch from moving each other.")
]
Adapter = Annotated[Path | None, typer.Option(help="Folder of a LoRA adapter, as `tune` writes it.")]
Revision = Annotated[str | None, typer.Option(help="Commit or tag of a hub model. [default: newest]")]
Engine = Annotated[engines.Engine, typer.Option(help="This machine, a server (--endpoint), or Ray.")]
Endpoint = Annotated[
    str | None, typer.Option(help="Server for --engine openai (http://host:8000/v1), cluster for --engine ray.")
]
Actors = Annotated[int | None, typer.Option(min=1, help="Ray actors, each with a model. [default: by GPUs]")]
Writers = Annotated[
    engines.Writers,
    typer.Option(help="Who publishes a Ray build's segments; auto: the actors where all of them see the store."),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Encode at most so many texts, then stop; the next build goes on.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be encoded; write nothing.")]
