"""The page of a comparison on cells."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genesem_train.cells.columns import OWN, method_table
from genesem_train.cells.config import METHOD, read_settings
from genesem_train.cells.figures import stored_figures
from genesem_train.errors import ConfigError
from genesem_train.recorded import load_record
from genesem_train.report.page import Page, PageFigure, Table, write_page

FACTS = {"cells": "n_spots", "patients": "n_patients", "images": "n_images", "markers": "n_markers"}


def write_cell_page(
    metrics: Mapping[str, Any], figures: list[PageFigure], config: Mapping[str, Any], path: Path
) -> Path:
    """Write the page to `path` and return it."""
    facts = {name: f"{metrics[key]:,}" for name, key in FACTS.items()}
    facts["cell types"] = str(len(metrics["types"]))
    facts["status"] = ", ".join(metrics["status"]) or "none"
    run = {"collection": str(metrics["collection"]), "space": str(metrics["space"])}
    run |= {name.replace("_s", " (s)"): f"{value:.0f}" for name, value in metrics["timing"].items()}
    page = Page(
        title=str(metrics["dataset"]),
        subtitle="Cell types and clinical status by spatial2sentence",
        scores=method_table(metrics),
        notes=page_notes(metrics),
        figures=figures,
        tables={"Each cell type": _class_table(metrics)},
        facts={"Cells": facts, "Vectors and cost": run},
        config=config,
    )
    return write_page(page, path)


def rewrite_page(folder: Path) -> Path:
    """Write `report.html` of a finished fit again, from its numbers and figures, and return its path.

    Raises
    ------
    ConfigError
        The folder holds no finished fit of cells.
    """
    path = folder / "metrics.json"
    metrics = load_record(path) if path.exists() else {}
    if "baseline" not in metrics:
        msg = f"{folder} holds no comparison of cells; expected the folder of a `genesem-train fit --method {METHOD}`"
        raise ConfigError(msg)
    config = read_settings(folder / "config.toml")
    return write_cell_page(metrics, stored_figures(folder / "figures"), config, folder / "report.html")


def page_notes(metrics: Mapping[str, Any]) -> list[str]:
    """Return how the numbers were obtained, and where another method is ahead beyond what patients can explain."""
    split = metrics["split"]
    said = [
        f"{split['folds']} folds by {split['by']} (seed {split['seed']}): every cell is predicted by heads that saw no "
        f"cell of its {split['by']}. Epoch and temperature were chosen on a part of the training {split['by']}s.",
        "All baselines ran on the same folds. Intervals: patients drawn 1,000 times with replacement.",
    ]
    for name, difference in metrics["difference"].items():
        gap = difference["type_f1_macro"]
        verb = "ahead of" if gap["low"] > 0 else "behind" if gap["high"] < 0 else "not told apart from"
        said.append(
            f"By macro-F1 of types, {OWN} is {verb} {name}: {gap['value']:+.1f} "
            f"({gap['low']:+.1f} to {gap['high']:+.1f})."
        )
    return said + list(metrics["notes"])


def _class_table(metrics: Mapping[str, Any]) -> Table:
    columns = [("cells", "labelled cells"), ("precision", ""), ("recall", ""), ("F1", "")]
    rows = [
        (row["class"], "baseline", [f"{row['n']:,.0f}", *(f"{row[key]:.1f}" for key in ("precision", "recall", "f1"))])
        for row in metrics["per_class"]
    ]
    return Table(columns=columns, rows=rows)
