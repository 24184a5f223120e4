"""Results as lines of text."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genesem_train.cells.columns import COLUMNS, method_table
from genesem_train.cells.results import CellsResult


def terminal_lines(result: CellsResult) -> list[str]:
    """Return the comparison as lines of text: one method a line, the notes, and where the report is."""
    table = method_table(result.metrics)
    width = max(len(name) for name, _, _ in table.rows) + 2
    columns = [max(len(title), 12) + 2 for title, _ in table.columns]
    lines = [" " * width + "".join(f"{title:>{w}}" for (title, _), w in zip(table.columns, columns, strict=True))]
    for name, _, cells in table.rows:
        lines.append(f"{name:<{width}}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, columns, strict=True)))
    return [*lines, "", *result.metrics["notes"], f"report: {result.out / 'report.html'}"]


def ablation_lines(found: Mapping[str, Any]) -> list[str]:
    """Return an ablation as lines of text: change of each score with its interval, then the builds to run."""
    shown = ["type_accuracy", "type_f1_macro", "status_balanced_accuracy"]
    lines = []
    for name, row in found["rows"].items():
        parts = [
            f"{COLUMNS[score][0]} {row['mean'][score]:.1f} "
            f"({gap['value']:+.1f}, {gap['low']:+.1f} to {gap['high']:+.1f})"
            for score in shown
            if score in row["mean"]
            for gap in [row["difference"][score]]
        ]
        dropped = f"; {row['n_dropped']:,} sentences dropped to fit the model" if row["n_dropped"] else ""
        lines.append(f"{name:<26}" + "; ".join(parts) + dropped)
    if found["missing"]:
        listed = ", ".join(found["missing"])
        lines += ["", f"{len(found['missing'])} not stored: {listed}", "to add them all, run:", found["build"]]
    return lines


def prediction_lines(metrics: Mapping[str, Any], out: Path) -> list[str]:
    """Return a prediction as lines of text: how many cells, by how many models, scores if there are any, notes."""
    lines = [f"{metrics['dataset']}: {metrics['n_spots']:,} cells told by {metrics['n_models']} models"]
    scores = metrics.get("mean", {})
    lines += [f"{title}: {scores[name]:.1f}" for name, (title, _) in COLUMNS.items() if name in scores]
    return [*lines, *metrics["notes"], f"result: {out / 'result.h5ad'}"]


def evaluation_lines(found: Mapping[str, Any]) -> list[str]:
    """Return an evaluation as lines of text: one score a line, with its interval where there is one."""
    lines = [f"{found['result']}: {found['n_labelled']:,} of {found['n_spots']:,} cells have a known type"]
    for name, (title, _) in COLUMNS.items():
        if name in found["scores"]:
            low, high = found["interval"].get(name, (None, None))
            between = "" if low is None else f" ({low:.1f} to {high:.1f})"
            lines.append(f"{title}: {found['scores'][name]:.1f}{between}")
    return lines
