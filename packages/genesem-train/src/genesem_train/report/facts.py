"""What the page says in words: the slide, the vectors used, the time taken, and how the numbers came about."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from genesem_train.report.inputs import ReportInput
from genesem_train.report.scores import ahead, differences, method_name

TIMING = {"preprocess_s": "preprocessing (s)", "fit_s": "fit, all seeds (s)", "s_per_epoch": "one epoch (s)"}

CLUSTERERS = {"kmeans": "k-means", "gmm": "a Gaussian mixture with one covariance for all domains"}


def slide_facts(inputs: ReportInput) -> dict[str, str]:
    """Return the slide's facts, label by label."""
    extent = np.ptp(inputs.coords, axis=0)
    facts = {"slide": inputs.name, "spots": f"{len(inputs.coords):,}", "domains": str(len(np.unique(inputs.domains)))}
    facts["extent (units of the coordinates)"] = f"{extent[0]:,.0f} x {extent[1]:,.0f}"
    if inputs.annotation is not None:
        labelled = int((inputs.annotation.codes >= 0).sum())
        n_labels = len(inputs.annotation.remove_unused_categories().categories)
        facts["labelled spots"] = f"{labelled:,} in {n_labels} labels"
    return {**facts, **{name: str(value) for name, value in inputs.facts.items()}}


def identity(inputs: ReportInput) -> dict[str, str]:
    """Return which vectors were used and what the fit cost."""
    metrics = inputs.metrics
    shown = {"collection": metrics.get("collection") or "none: no language-model vectors were used"}
    if metrics.get("space"):
        shown["space"] = _one_line(metrics["space"])
    if metrics.get("clusterer"):
        shown["domains from the latent by"] = CLUSTERERS[metrics["clusterer"]]
    timing = metrics.get("timing", {})
    shown.update({label: f"{timing[name]:.3g}" for name, label in TIMING.items() if name in timing})
    if metrics.get("networks", 1) > 1:
        shown["networks of every seed"] = str(metrics["networks"])
    graph = metrics.get("graph", {})
    if "own_share" in graph:
        shown["a spot's own share in its smoothed expression (the slide decides)"] = f"{graph['own_share']:.0%}"
        shown["neighbours of the spatial view (from that share)"] = f"{graph['n_neighbours']:.0f}"
    if recall := graph.get("feature_recall"):
        shown["true neighbours in the approximate expression graph"] = f"{recall:.1%}"
    if metrics.get("peak_rss_mb"):
        shown["peak memory (MB)"] = f"{metrics['peak_rss_mb']:,.0f}"
    return {name: _one_line(value) for name, value in shown.items()}


def notes(inputs: ReportInput) -> list[str]:
    """Return how the numbers were obtained, in sentences a reader can hold against us."""
    metrics, method = inputs.metrics, method_name(inputs.metrics)
    said = ["No label touched training, the choice of an epoch or stopping: every score is that of the last epoch."]
    if metrics.get("baseline"):
        said.append("The baselines ran on the same slide with the same number of domains and no language model.")
    said += [
        f"The simple baseline {name} is ahead of {method} on this slide (ARI {theirs:.1f} against {own:.1f})."
        for name, theirs, own in ahead(metrics)
    ]
    said += differences(metrics)
    if inputs.annotation is None:
        said.append(
            "No column of labels was named (--label-key), so only label-free scores are given; they say how tidy "
            "domains are, not whether they are right."
        )
    elif not metrics.get("n_domains_chosen") and inputs.config.get("data", {}).get("n_domains") is None:
        said.append("The number of domains was not asked for: it is that of the labels.")
    if inputs.annotation is not None and (inputs.annotation.codes < 0).any():
        n_missing = int((inputs.annotation.codes < 0).sum())
        said.append(f"{n_missing:,} spots have no label: they took part in training and are left out of the scores.")
    if len(inputs.seed_domains) == 1:
        said.append("One seed only: nothing is known about how much the result would vary with another.")
    if metrics.get("oracle"):
        said.append("The oracle score uses the labels to choose and cannot be reached without them; it is no result.")
    return said


def _one_line(value: object) -> str:
    if isinstance(value, Mapping):
        pairs: Mapping[Any, Any] = value
        return ", ".join(f"{name} {item}" for name, item in pairs.items())
    return str(value)
