"""A finished fit without the fit: layered slides of any size with labelings that disagree a little."""

import numpy as np
import pandas as pd
import pytest

from genesem_train.markers import Markers
from genesem_train.report import ReportInput

SCORES = {"ari": 61.2, "nmi": 58.4, "acc": 70.1, "f1_macro": 66.0, "f1_weighted": 69.5}


def _noisy(rng, labels, n_domains, share):
    flipped = np.where(rng.random(len(labels)) < share, rng.integers(0, n_domains, len(labels)), labels)
    return rng.permutation(n_domains)[flipped]


def make_inputs(n_spots=300, n_domains=7, n_seeds=3, *, labelled=True, semantics=True, scattered=False):
    rng = np.random.default_rng(n_spots)
    side = int(np.ceil(np.sqrt(n_spots * 1.3)))
    row, column = np.divmod(np.arange(n_spots), side)
    coords = np.stack([column + 0.5 * (row % 2), row * 0.866], axis=1) * 137.0
    if scattered:
        coords = rng.random((n_spots, 2)) * [coords[:, 0].max(), coords[:, 1].max()]
    bend = coords[:, 1] + 0.12 * np.ptp(coords[:, 1]) * np.sin(coords[:, 0] / np.ptp(coords[:, 0]) * 5)
    truth = np.clip(((bend - bend.min()) / (np.ptp(bend) + 1e-9) * n_domains).astype(int), 0, n_domains - 1)
    names = [f"L{i + 1}" for i in range(n_domains - 1)] + ["WM"]
    codes = np.where(rng.random(n_spots) < 0.03, -1, truth)
    seeds = {s: _noisy(rng, truth, n_domains, 0.05 + 0.05 * s) for s in range(n_seeds)}
    metrics = {
        "method": "semst",
        "dataset": "simulated",
        "n_spots": n_spots,
        "n_domains": n_domains,
        "collection": "3f2a" if semantics else None,
        "space": "9bc1" if semantics else None,
        "seeds": [{"seed": s, **SCORES} for s in seeds],
        "timing": {"preprocess_s": 1.2, "fit_s": 30.0, "s_per_epoch": 0.05},
        "peak_rss_mb": 812.0,
    }
    if n_seeds > 1:
        curve = {"n_domains": [3, 4, 5], "mean": [0.8, 0.9, 0.7], "sd": [0.02, 0.01, 0.03]}
        metrics["n_domains_chosen"] = {**curve, "peaks": [4], "best": 4}
    if labelled:
        spread = {"mean": {**SCORES, "ari": 74.1}, "sd": dict.fromkeys(SCORES, 3.1) if n_seeds > 1 else {}}
        plain = {**SCORES, "ari": 75.3, **spread}
        metrics |= {"mean": SCORES, "consensus": SCORES, "baseline": {"smooth-pca": plain}}
        if n_seeds > 1:
            metrics["sd"] = dict.fromkeys(SCORES, 2.0)
    else:
        free = {"silhouette": 0.21, "chaos": 0.05, "pas": 0.1}
        metrics |= {"seeds": [{"seed": s, **free} for s in seeds], "mean": free, "consensus": free}
    return ReportInput(
        name="simulated layers",
        coords=coords,
        annotation=pd.Categorical.from_codes(codes, names) if labelled else None,
        domains=_noisy(rng, truth, n_domains, 0.04),
        confidence=np.clip(rng.normal(0.85, 0.15, n_spots), 0, 1) if n_seeds > 1 else None,
        seed_domains=seeds,
        latent=(np.eye(n_domains)[truth] * 3 + rng.normal(size=(n_spots, n_domains))).astype(np.float32),
        losses={
            s: {t: list(np.exp(-np.arange(50) / 15) + 0.02 * rng.random(50)) for t in ("total", "zinb", "spatial")}
            for s in seeds
        },
        alpha=rng.normal(1, 0.1, (n_spots, 8)) if semantics else None,
        beta=rng.normal(0, 0.2, (n_spots, 8)) if semantics else None,
        baselines={n: _noisy(rng, truth, n_domains, 0.2) for n in ("pca", "smooth-pca")},
        metrics=metrics,
        markers=_markers(n_domains) if n_seeds > 1 else None,
        slides={"left": np.arange(n_spots // 2), "right": np.arange(n_spots // 2, n_spots)} if n_seeds > 1 else {},
        config={"method": "semst", "training": {"epochs": 50, "seeds": list(seeds)}},
    )


def _markers(n_domains):
    genes = [f"GENE{number}" for number in range(2 * n_domains)]
    table = pd.DataFrame(
        {"domain": [str(d) for d in range(n_domains) for _ in range(2)], "rank": [1, 2] * n_domains, "gene": genes}
    )
    level = np.repeat(np.eye(n_domains), 2, axis=1) + 0.1
    return Markers(table=table, genes=genes, mean=level, share=level / 1.2, test="wilcoxon")


@pytest.fixture(scope="session")
def report_inputs():
    """Return the function that makes a `ReportInput` of any size."""
    return make_inputs
