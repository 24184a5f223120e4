"""The ablation of a slide: every variant fitted for every seed, each fit kept as it is finished."""

from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from sklearn.metrics import adjusted_rand_score

from genesem_embed.datasets import fingerprint
from genesem_embed.store import Store, default_store
from genesem_train.ablations.grid import TABLES, WITHOUT, Grid, Variant, make_grid
from genesem_train.ablations.table import compare, write_tables
from genesem_train.config import FitConfig
from genesem_train.errors import ConfigError
from genesem_train.identity import fit_identity
from genesem_train.methods import Baseline, OnEpoch, SeedRun, run_baselines, seed_consensus, seed_runs
from genesem_train.outputs import check_out
from genesem_train.recorded import load_record, record, record_path
from genesem_train.run import find_semantics
from genesem_train.scores.summary import over_baselines, rate, rate_baseline
from genesem_train.semantics import build_command, collections_of, find_collection
from genesem_train.slides import Slides, load_slides
from genesem_train.spots import Spots, select_spots
from genesem_train.training.checkpoints import Checkpoints
from genesem_train.training.parallel import refuse_several

FITS = "fits"
OWN_NAMES = {FITS, *(f"ablations.{kind}" for kind in ("json", "csv", "md", "png"))}

OnStep = Callable[[str], None]


def run_domain_ablations(
    config: FitConfig,
    *,
    store_place: str | None = None,
    out: Path | None = None,
    tables: Sequence[str] = TABLES,
    on_step: OnStep = lambda words: None,
    on_epoch: OnEpoch = lambda seed, done, total, losses: None,
) -> dict[str, Any]:
    """Return scores of every variant over the seeds, its difference from `none`, and the builds that are missing.

    `out` gets `ablations.json`, `ablations.csv`, `ablations.md`, `ablations.png` and one file a finished fit under
    `fits/`. Run again, it fits what is not there. Random vectors are drawn anew for every seed.

    Raises
    ------
    GenesemError
        On any input, setting or store that cannot be used.
    """
    if config.method != "semst":
        msg = f"--method {config.method} takes no semantics to compare; expected semst, or spatial2sentence on cells"
        raise ConfigError(msg)
    if config.more_datasets:
        msg = f"ablate was given {len(config.datasets)} slides; expected one: give one --dataset"
        raise ConfigError(msg)
    if config.semantics.kind != "store" or config.model.fusion == "none":
        chosen = f"kind {config.semantics.kind} in [semantics] and fusion {config.model.fusion} in [model]"
        msg = f"the settings have {chosen}, so there is nothing to compare; expected kind store and another fusion"
        raise ConfigError(msg)
    refuse_several("ablate")
    slides = load_slides([config.dataset], counts_layer=config.counts_layer, gene_symbols=config.gene_symbols)
    slide = slides.joined
    out = out or Path("results") / f"{slide.uns['genesem']['name']}-ablations"
    check_out(out, own=OWN_NAMES, whole=None)
    spots = select_spots(slide, config)
    kept = slide[spots.data.obs_names]
    grid, missing = _find_grid(config, slide, store_place, tables)
    mark, fits = fingerprint(slide), {}
    for number, variant in enumerate(grid.variants, start=1):
        on_step(f"{variant.name} ({number} of {len(grid.variants)})")
        fits[variant.name] = _fit_variant(variant, config, mark, slides, kept, spots, store_place, out / FITS, on_epoch)
    plain = run_baselines(config, kept, spots)
    rows = {one.name: {"table": one.table, **_row(fits[one.name], config, spots, plain)} for one in grid.variants}
    result = {
        "dataset": spots.name,
        "preset": config.preset,
        "mode": config.mode,
        "backbone": config.model.backbone,
        "n_spots": int(spots.data.n_obs),
        "n_domains": spots.n_domains,
        "labels": spots.annotation is not None,
        "n_seeds": len(config.training.seeds),
        "epochs": config.training.epochs,
        "rows": compare(rows, WITHOUT),
        "baseline": {name: rate_baseline(spots, found) for name, found in plain.items()},
        "missing": missing,
    }
    write_tables(result, out)
    return result


def _find_grid(
    config: FitConfig, slide: AnnData, store_place: str | None, tables: Sequence[str]
) -> tuple[Grid, dict[str, str]]:
    """Return the grid around the configured collection, and for what is missing the command that builds it."""
    wanted = config.semantics
    with Store.open(store_place or default_store()) as store:
        base = find_collection(
            store,
            slide,
            recipe=wanted.recipe,
            top_genes=wanted.top_genes,
            space=wanted.space,
            collection=wanted.collection,
            dataset=config.dataset,
        )
        stored = collections_of(store.collections(), fingerprint(slide))
        grid = make_grid(base, stored, fusion=config.model.fusion, top_genes=wanted.top_genes, tables=tables)
        commands = {
            name: build_command(store, config.dataset, recipe, top_genes)
            for name, (recipe, top_genes) in grid.missing.items()
        }
    return grid, commands


def _fit_variant(
    variant: Variant,
    config: FitConfig,
    mark: str,
    slides: Slides,
    kept: AnnData,
    spots: Spots,
    store_place: str | None,
    folder: Path,
    on_epoch: OnEpoch,
) -> dict[int, SeedRun]:
    """Return the run of every seed, fitting those that are not kept yet; scores are never kept: labels may change."""
    settings = config.with_values("model", **variant.model).with_values("semantics", **variant.semantics)
    seeds = config.training.seeds
    if variant.semantics.get("kind") == "random":
        groups: list[tuple[int, ...]] = [(seed,) for seed in seeds]
    else:
        groups = [seeds]
    runs: dict[int, SeedRun] = {}
    for group in groups:
        own = settings.with_values("training", seeds=group)
        semantics = find_semantics(own, slides, spots, store_place)
        stamp = f"{fit_identity(own, mark, spots, semantics)}/{own.training.epochs}"
        paths = {seed: record_path(folder, [stamp, seed]) for seed in group}
        if left := tuple(seed for seed in group if not paths[seed].exists()):
            name = f".{stamp[:16]}-{own.training.epochs}"
            checkpoints = Checkpoints(folder=folder / name, stamp=stamp, resume=True)
            pending = own.with_values("training", seeds=left)
            for seed, run in seed_runs(pending, kept, spots, semantics, on_epoch, checkpoints):
                folder.mkdir(parents=True, exist_ok=True)
                np.savez(paths[seed].with_suffix(".npz"), domains=run.domains, latent=run.latent)
                record(paths[seed], {"seed": seed, "variant": variant.name})  # last: now it is whole
            checkpoints.remove()
        runs |= {seed: _read(paths[seed]) for seed in group}
    return runs


def _read(path: Path) -> SeedRun:
    load_record(path)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as arrays:
        return SeedRun(domains=arrays["domains"], latent=arrays["latent"])


def _row(
    runs: dict[int, SeedRun], config: FitConfig, spots: Spots, baselines: Mapping[str, Baseline]
) -> dict[str, Any]:
    """Return what the seeds of a variant come to, apart and together."""
    pairs = combinations([run.domains for run in runs.values()], 2)
    agreement = [100 * adjusted_rand_score(one, other) for one, other in pairs]
    row: dict[str, Any] = {
        "seeds": [{"seed": seed, **rate(spots, run.domains, run.latent)} for seed, run in runs.items()]
    }
    if agreement:
        row["agreement"] = float(np.mean(agreement))
    if spots.annotation is not None:
        domains, _ = seed_consensus(config, runs, spots)
        row["consensus"] = rate(spots, domains)
        row["over_baseline"] = over_baselines(spots, domains, baselines)
    return row
