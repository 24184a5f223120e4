"""Store to report, on one page: slide, semantics, graphs, model, fit, domains, scores, report.

What it calls takes the config where many settings decide (slide, networks, scores), and values elsewhere.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from genesem_embed.datasets import fingerprint
from genesem_embed.store import Store, default_store
from genesem_train.config import FitConfig
from genesem_train.identity import fit_identity
from genesem_train.markers import find_markers
from genesem_train.methods import OnEpoch, fit_seeds, follow, run_baselines, seed_consensus
from genesem_train.outputs import check_out, default_out, write_result
from genesem_train.prediction.fitted import fitted_state
from genesem_train.report import ReportInput
from genesem_train.scores.summary import summarise
from genesem_train.semantics import UNRELATED_RECIPE, Semantics, join_semantics, random_semantics, stored_semantics
from genesem_train.slides import Slides, load_slides
from genesem_train.spots import Spots, select_spots, tell_poor
from genesem_train.training.checkpoints import Checkpoints
from genesem_train.training.parallel import leaving_group, process_group

DRAWN_SPOTS = 4096


@dataclass(frozen=True, kw_only=True)
class FitOutcome:
    """The scores of a fit and where its folder is; a process that does not lead has no scores."""

    metrics: dict[str, Any]
    out: Path


@leaving_group()
def run_fit(
    config: FitConfig,
    *,
    store_place: str | None = None,
    out: Path | None = None,
    resume: bool = False,
    on_epoch: OnEpoch = lambda seed, done, total, losses: None,
) -> FitOutcome:
    """Return the scores of fitting `config`, having written the whole result to `out`.

    No label touches training, selection or stopping: the result of a seed is its last epoch. What a fit that was broken
    off had reached lies in a hidden folder beside `out`; `resume` goes on from there to the same result.

    Raises
    ------
    GenesemError
        On any input, setting or store that cannot be used; nothing is written then.
    """
    if not process_group().leads:  # of several processes, one reads and writes
        follow(config)
        return FitOutcome(metrics={}, out=out or Path("results"))
    begun = time.perf_counter()
    slides = load_slides(
        config.datasets,
        counts_layer=config.counts_layer,
        gene_symbols=config.gene_symbols,
        symbols=reads_vectors(config),
    )
    slide = slides.joined
    out = out or default_out(slide.uns["genesem"]["name"], config.datasets)
    check_out(out)
    spots = select_spots(slide, config)
    semantics = find_semantics(config, slides, spots, store_place)
    kept = slide[spots.data.obs_names]
    preprocess_s = time.perf_counter() - begun
    checkpoints = Checkpoints(
        folder=out.with_name(f".{out.name}.checkpoints"),
        stamp=fit_identity(config, fingerprint(slide), spots, semantics),
        resume=resume,
    )
    runs = fit_seeds(config, kept, spots, semantics, on_epoch, checkpoints)
    domains, confidence = seed_consensus(config, runs, spots)
    tell_poor(domains, spots)
    baselines = run_baselines(config, kept, spots)
    metrics = summarise(config, spots, semantics, runs, domains, baselines, preprocess_s)
    first = next(iter(runs.values()))
    inputs = ReportInput(
        name=spots.name,
        coords=spots.drawn_coords,
        annotation=spots.annotation,
        domains=domains,
        confidence=confidence,
        seed_domains={seed: run.domains for seed, run in runs.items()},
        latent=np.asarray(first.latent, dtype=np.float32),
        losses={seed: run.losses for seed, run in runs.items() if run.losses},
        alpha=sampled(first.alpha),
        beta=sampled(first.beta),
        markers=find_markers(kept, domains, spots.data.var_names),
        baselines={name: found.domains for name, found in baselines.items()},
        metrics=metrics,
        slides=spots.slides,
        config=config.to_mapping(),
    )
    weights = {seed: run.weights for seed, run in runs.items() if run.weights}
    state = fitted_state(config, spots, runs, domains)
    extras, notes = (state.tensors(), state.notes()) if state else ({}, {})
    write_result(out, inputs, slide=spots.data, weights=weights, extras=extras, notes=notes)
    checkpoints.remove()
    return FitOutcome(metrics=metrics, out=out)


def sampled(values: Float[np.ndarray, "spot dim"] | None) -> Float[np.ndarray, "sample dim"] | None:
    """Return what a report keeps of alpha or beta: at most 4,096 spots, in half precision."""
    if values is None:
        return None
    rows = np.sort(np.random.default_rng(0).permutation(len(values))[:DRAWN_SPOTS])
    kept: Float[np.ndarray, "sample dim"] = values[rows].astype(np.float16)
    return kept


def reads_vectors(config: FitConfig) -> bool:
    """Tell whether the settings ask for vectors of texts."""
    return config.method == "semst" and config.semantics.kind != "none" and config.model.fusion != "none"


def find_semantics(config: FitConfig, slides: Slides, spots: Spots, store_place: str | None) -> Semantics | None:
    """Return the vectors that the model is guided by, or None where it takes none."""
    if not reads_vectors(config):
        return None
    wanted = config.semantics
    parts = slides.parts or {spots.name: slides.joined}
    with Store.open(store_place or default_store()) as store:
        stored = [
            stored_semantics(
                store,
                part,
                part[spots.members(name)],
                recipe=UNRELATED_RECIPE if wanted.kind == "unrelated" else wanted.recipe,
                top_genes=wanted.top_genes,
                space=wanted.space,
                collection=wanted.collection,
                dataset=slides.datasets.get(name, config.dataset),
            )
            for name, part in parts.items()
        ]
    joined = join_semantics(stored)
    if wanted.kind == "random":  # as many numbers per spot as the vectors that they stand in for
        n_spots, dim = joined.matrix.shape
        return random_semantics(n_spots, dim, seed=config.training.seeds[0])
    return joined
