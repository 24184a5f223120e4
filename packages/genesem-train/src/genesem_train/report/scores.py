"""`metrics.json` as the rows of one table: the method, its consensus, the baselines, an oracle only if there is one."""

from collections.abc import Mapping
from typing import Any

from genesem_train.domains import CONSENSUS_STARTS
from genesem_train.report.page import Table

SCORES: dict[str, tuple[str, str, int]] = {
    "ari": ("ARI", "adjusted Rand index x 100; 0 is chance, 100 is equal", 1),
    "nmi": ("NMI", "normalised mutual information x 100", 1),
    "acc": ("ACC", "accuracy x 100 after the best one-to-one matching of domains to labels", 1),
    "f1_macro": ("F1 macro", "mean F1 over the labels x 100, after the same matching", 1),
    "f1_weighted": ("F1 weighted", "F1 weighted by label size x 100, after the same matching", 1),
    "silhouette": (
        "silhouette",
        "of the domains in what was clustered (of a consensus, in the first seed's), -1 to 1, higher is better; not "
        "to be compared between methods, whose spaces differ; no labels needed",
        3,
    ),
    "chaos": ("CHAOS", "mean distance to the nearest spot of the same domain, lower is smoother; no labels needed", 3),
    "pas": (
        "PAS",
        "share of spots whose neighbours mostly lie in other domains, lower is smoother; no labels needed",
        3,
    ),
}


def method_name(metrics: Mapping[str, Any]) -> str:
    """Return what readers know a fit by: its network and its mode, or the method that has neither."""
    name = str(metrics.get("backbone") or metrics.get("method", "this fit"))
    if name != metrics.get("method") and metrics.get("fusion", "none") != "none":
        name = f"{name} with {metrics['fusion']}"  # the backbone's own paper has none
    return f"{name}, {metrics['mode']}" if metrics.get("mode") else name


def score_table(metrics: Mapping[str, Any]) -> Table:
    """Return the table of all scores that `metrics` holds; a score that is not there is an empty cell."""
    method = method_name(metrics)
    seeds = metrics.get("seeds") or []
    groups: list[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = []
    if len(seeds) > 1:
        groups.append((f"{method}, mean ± sd of {len(seeds)} seeds", "method", metrics["mean"], metrics.get("sd", {})))
    if metrics.get("consensus"):
        groups.append((f"{method}, consensus", "method", metrics["consensus"], {}))
    groups += [
        (f"{method}, consensus on {name}", "method", scores["consensus"], {})
        for name, scores in metrics.get("slides", {}).items()
    ]
    for name, scores in metrics.get("baseline", {}).items():
        if len(seeds) > 1 and "mean" in scores:  # a fit of before 2026-11-21 has one run of each
            spread = f"baseline {name}, mean ± sd of {len(seeds)} seeds"
            groups.append((spread, "baseline", scores["mean"], scores["sd"]))
            groups.append((f"baseline {name}, best of {CONSENSUS_STARTS} starts", "baseline", scores, {}))
        else:
            groups.append((f"baseline {name}", "baseline", scores, {}))
    groups += [(f"{method}, seed {scores['seed']}", "seed", scores, {}) for scores in seeds]
    if metrics.get("oracle"):
        groups.append((f"oracle: {metrics['oracle'].get('note', 'uses the labels')}", "oracle", metrics["oracle"], {}))
    used = [name for name in SCORES if any(name in scores for _, _, scores, _ in groups)]
    rows = [(name, kind, [_cell(c, scores, spread) for c in used]) for name, kind, scores, spread in groups]
    return Table(columns=[SCORES[name][:2] for name in used], rows=[row for row in rows if any(row[2])])


def ahead(metrics: Mapping[str, Any]) -> list[tuple[str, float, float]]:
    """Return the baselines whose mean ARI over seeds is above the method's: name, their mean ARI, the method's."""
    own = metrics.get("mean", {}).get("ari")
    if own is None:
        return []
    found = [(name, scores.get("mean", scores).get("ari")) for name, scores in metrics.get("baseline", {}).items()]
    return [(name, ari, own) for name, ari in found if ari is not None and ari > own]


def differences(metrics: Mapping[str, Any]) -> list[str]:
    """Return in words how far the consensus is from each baseline, and whether the tissue can tell them apart."""
    said = []
    for name, found in metrics.get("over_baseline", {}).items():
        told = "" if found["low"] > 0 or found["high"] < 0 else ", so this slide does not tell them apart"
        interval = f"95 % over blocks of tissue: {found['low']:+.1f} to {found['high']:+.1f}"
        said.append(f"The consensus minus {name}: {found['value']:+.1f} points of ARI ({interval}){told}.")
    return said


def _cell(name: str, scores: Mapping[str, Any], spread: Mapping[str, Any]) -> str:
    if name not in scores:
        return ""
    digits = SCORES[name][2]
    text = f"{scores[name]:.{digits}f}"
    return f"{text} ± {spread[name]:.{digits}f}" if name in spread else text
