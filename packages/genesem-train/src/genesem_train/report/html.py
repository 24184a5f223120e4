"""The page of a fit of spatial domains."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genesem_train.report.facts import identity, notes, slide_facts
from genesem_train.report.figures import FIGURES
from genesem_train.report.figures.domains import domain_names
from genesem_train.report.inputs import ReportInput
from genesem_train.report.page import Page, PageFigure, Table, write_page
from genesem_train.report.scores import method_name, score_table


def write_html(inputs: ReportInput, figures: Sequence[Path], path: Path) -> Path:
    """Write the page to `path` and return it; `figures` are files that `write_figures` made."""
    page = Page(
        title=inputs.name,
        subtitle=f"Spatial domains by {method_name(inputs.metrics)}",
        scores=score_table(inputs.metrics),
        notes=notes(inputs),
        figures=[
            PageFigure(path=figure, title=FIGURES[figure.stem].title, caption=FIGURES[figure.stem].caption)
            for figure in figures
        ],
        tables=marker_tables(inputs),
        facts={"Slide": slide_facts(inputs), "Vectors and cost": identity(inputs)},
        config=used_settings(inputs.config),
    )
    return write_page(page, path)


def used_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings without the sections that the mode of the fit does not read."""
    unused = {"graph", "loss"} if config.get("mode") == "improved" else {"smoothing"}
    return {name: value for name, value in config.items() if name not in unused}


def marker_tables(inputs: ReportInput) -> dict[str, Table]:
    """Return the marker genes of each domain as a table; none where there are none."""
    if inputs.markers is None:
        return {}
    values, counts = np.unique(inputs.domains, return_counts=True)
    rows = []
    for name, domain, n_spots in zip(domain_names(inputs), values, counts, strict=True):
        mine = inputs.markers.table[inputs.markers.table["domain"] == str(domain)]
        rows.append((name, "method", [f"{n_spots:,}", ", ".join(mine["gene"]) or "too few spots"]))
    means = f"ranked against all other spots ({inputs.markers.test}); all numbers are in tables/markers.csv"
    return {"Marker genes": Table(columns=[("spots", "in the domain"), ("genes, leading first", means)], rows=rows)}
