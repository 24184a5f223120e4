"""The scores that people are shown, and the methods beside each other as a table of them."""

from collections.abc import Mapping
from typing import Any

from genesem_train.report.page import Table

COLUMNS: dict[str, tuple[str, str]] = {
    "type_accuracy": ("type accuracy", "share of cells whose type is right x 100"),
    "type_balanced_accuracy": ("type balanced", "mean recall over the types x 100; rare types count as much as common"),
    "type_f1_macro": ("type F1 macro", "mean F1 over the types x 100"),
    "type_ece": ("type ECE", "gap between confidence and accuracy x 100, lower is better"),
    "status_accuracy": ("patient status", "patients whose status is right x 100, cells pooled by their mean"),
    "status_balanced_accuracy": ("patient status balanced", "mean recall over the status classes x 100"),
    "status_auc": ("patient AUC", "area under the ROC curve over patients x 100; 50 is chance"),
    "status_attention_accuracy": ("by attention", "patients whose status is right x 100, cells pooled by attention"),
    "status_image_accuracy": (
        "image status",
        "images whose status is right x 100, cells pooled by their mean",
    ),
    "status_image_attention_accuracy": ("image by attention", "the same, cells pooled by attention"),
}
OWN = "spatial2sentence"


def method_table(metrics: Mapping[str, Any]) -> Table:
    """Return the method beside every baseline, one row each; the method's seeds are a mean and a deviation."""
    rows = {f"{OWN}, mean of {len(metrics['seeds'])} seeds": metrics["mean"], **metrics["baseline"]}
    used = [name for name in COLUMNS if any(name in scores for scores in rows.values())]
    sd = metrics.get("sd", {})
    texts = [
        (
            name if place == 0 else f"baseline: {name}",
            "method" if place == 0 else "baseline",
            [_cell(column, scores, sd if place == 0 else {}) for column in used],
        )
        for place, (name, scores) in enumerate(rows.items())
    ]
    return Table(columns=[COLUMNS[name] for name in used], rows=texts)


def _cell(column: str, scores: Mapping[str, float], sd: Mapping[str, float]) -> str:
    if column not in scores:
        return ""
    return f"{scores[column]:.1f} ± {sd[column]:.1f}" if column in sd else f"{scores[column]:.1f}"
