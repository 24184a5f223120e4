"""The page of a fit of spatial domains."""

from collections.abc import Sequence
from pathlib import Path

from genesem_train.report.facts import identity, notes, slide_facts
from genesem_train.report.figures import FIGURES
from genesem_train.report.inputs import ReportInput
from genesem_train.report.page import Page, PageFigure, write_page
from genesem_train.report.scores import score_table


def write_html(inputs: ReportInput, figures: Sequence[Path], path: Path) -> Path:
    """Write the page to `path` and return it; `figures` are files that `write_figures` made."""
    page = Page(
        title=inputs.name,
        subtitle=f"Spatial domains by {inputs.metrics.get('method', 'domains')}",
        scores=score_table(inputs.metrics),
        notes=notes(inputs),
        figures=[
            PageFigure(path=figure, title=FIGURES[figure.stem].title, caption=FIGURES[figure.stem].caption)
            for figure in figures
        ],
        facts={"Slide": slide_facts(inputs), "Vectors and cost": identity(inputs)},
        config=inputs.config,
    )
    return write_page(page, path)
