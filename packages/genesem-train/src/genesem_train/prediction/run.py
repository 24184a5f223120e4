"""A fitted model on a new slide: genes aligned, every seed's network run, domains by the nearest centre.

As `genesem_train.run`, this module sees the config; what it calls takes values.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from genesem_embed.datasets import labels, scale_counts
from genesem_train.config import FitConfig, load_config
from genesem_train.errors import ConfigError
from genesem_train.outputs import check_out, write_result
from genesem_train.prediction.fitted import FittedState, carries_over, load_fitted
from genesem_train.prediction.genes import AlignedCounts, align_genes
from genesem_train.prediction.new_spots import Prediction, predict_domains
from genesem_train.recorded import load_record
from genesem_train.report import ReportInput
from genesem_train.run import FitOutcome, find_semantics, reads_vectors
from genesem_train.scores.intervals import mean_and_sd
from genesem_train.scores.summary import named_fit, rate, shared_scores
from genesem_train.semantics import Semantics
from genesem_train.slides import load_slides
from genesem_train.spots import Spots
from genesem_train.training.parallel import refuse_several

NAMED_GENES = 5


def run_predict(
    model: Path,
    dataset: str,
    *,
    store_place: str | None = None,
    out: Path | None = None,
    label_key: str | None = None,
    counts_layer: str | None = None,
    gene_symbols: str | None = None,
) -> FitOutcome:
    """Return the scores of a fitted model's domains on a new slide, having written the result to `out`.

    The slide brings its own graphs, and its own collection of the space that the model was fitted with. Its labels, if
    `label_key` names any, are for scores only.

    Raises
    ------
    GenesemError
        On a folder that holds no such model, or a slide or store that cannot be used; nothing is written then.
    """
    config = _fitted_config(model, dataset)
    state, weights = load_fitted(model)
    refuse_several("predict")
    slides = load_slides([dataset], counts_layer=counts_layer, gene_symbols=gene_symbols, symbols=reads_vectors(config))
    slide = slides.joined
    out = out or Path("results") / f"{slide.uns['genesem']['name']}-predicted"
    check_out(out)
    if out.resolve() == model.resolve():
        msg = f"--out {out} is the fitted model itself, which the prediction would replace; give another --out"
        raise ConfigError(msg)
    if slide.n_obs < 2:
        msg = f"{dataset} has {slide.n_obs} spot; expected at least 2, because a spot is seen among its neighbours"
        raise ConfigError(msg)
    aligned = align_genes(slide, state.genes)
    spots = _spots(slide, aligned, state, config, label_key)
    semantics = find_semantics(config, slides, spots, store_place)
    found = predict_domains(config, state, weights, spots, semantics)
    metrics = _metrics(config, model, aligned, state, spots, semantics, found)
    inputs = ReportInput(
        name=spots.name,
        coords=spots.coords,
        annotation=spots.annotation,
        domains=found.domains,
        confidence=found.confidence,
        seed_domains={seed: run.domains for seed, run in found.runs.items()},
        latent=next(iter(found.runs.values())).latent,
        metrics=metrics,
        config=config.to_mapping(),
        facts={"fitted model": model.name, "genes of the model": f"{len(state.genes)}, {len(aligned.missing)} missing"},
    )
    write_result(out, inputs, slide=spots.data, weights={})
    return FitOutcome(metrics=metrics, out=out)


def prediction_lines(result: FitOutcome) -> list[str]:
    """Return what a prediction came to as lines of text."""
    metrics = result.metrics
    genes = metrics["genes"]
    named = f" ({', '.join(genes['missing'][:NAMED_GENES])}{', ...' if genes['n_missing'] > NAMED_GENES else ''})"
    lines = [
        f"{metrics['dataset']}: {metrics['n_spots']} spots, the {metrics['n_domains']} domains of "
        f"{metrics['model_folder']}",
        f"genes of the model: {genes['n_model']}, missing on the slide: {genes['n_missing']}"
        + (named if genes["missing"] else ""),
    ]
    lines += [f"{name}: {value:.2f}" for name, value in metrics["consensus"].items()]
    return [*lines, f"report: {result.out / 'report.html'}"]


def _fitted_config(model: Path, dataset: str) -> FitConfig:
    """Return the fit's settings for the new slide, with the very space of its vectors.

    Raises
    ------
    ConfigError
        When there is no fit, or one that does not carry over.
    """
    if not (model / "config.toml").exists():
        msg = f"{model} holds no config.toml; expected the --out folder of a finished fit: give it as --model"
        raise ConfigError(msg)
    config = load_config(model / "config.toml", dataset)
    if not carries_over(config):
        msg = (
            f"{model} was fitted with method {config.method}, which does not carry over to another slide; expected "
            "method semst: fit with --method semst"
        )
        raise ConfigError(msg)
    metrics = load_record(model / "metrics.json")
    semantics = replace(config.semantics, space=metrics.get("space") or config.semantics.space, collection=None)
    return replace(config, more_datasets=None, semantics=semantics)


def _spots(
    slide: AnnData, aligned: AlignedCounts, state: FittedState, config: FitConfig, label_key: str | None
) -> Spots:
    scaled = scale_counts(aligned.counts, config.preprocess.scaling, state.scales)
    if not np.array_equal(scaled.scales, state.scales):
        msg = (
            f"the fitted model divided its genes by deviations, which scaling {config.preprocess.scaling!r} does not; "
            "it is of an earlier version: fit again"
        )
        raise ConfigError(msg)
    data = AnnData(scaled.values, obs=slide.obs.copy(), obsm=dict(slide.obsm), layers={"counts": aligned.counts})
    data.var_names = state.genes
    data.uns["genesem"] = dict(slide.uns["genesem"])
    return Spots(
        name=str(slide.uns["genesem"]["name"]),
        data=data,
        coords=np.asarray(slide.obsm["spatial"], dtype=np.float64),
        annotation=labels(slide, label_key) if label_key else None,
        n_domains=state.domains.n_domains,
    )


def _metrics(
    config: FitConfig,
    model: Path,
    aligned: AlignedCounts,
    state: FittedState,
    spots: Spots,
    semantics: Semantics | None,
    found: Prediction,
) -> dict[str, Any]:
    seeds = [{"seed": seed, **rate(spots, run.domains, run.latent)} for seed, run in found.runs.items()]
    mean, sd = mean_and_sd(shared_scores([{n: v for n, v in one.items() if n != "seed"} for one in seeds]))
    metrics = {
        "method": config.method,
        **named_fit(config),
        "model_folder": model.name,
        "dataset": spots.name,
        "n_spots": len(spots.coords),
        "n_domains": spots.n_domains,
        "genes": {"n_model": len(state.genes), "n_missing": len(aligned.missing), "missing": aligned.missing},
        "collection": semantics.collection if semantics else None,
        "space": semantics.space if semantics else None,
        "seeds": seeds,
        "mean": mean,
        "sd": sd,
        "consensus": rate(spots, found.domains, next(iter(found.runs.values())).latent),
        "graph": next(iter(found.runs.values())).facts or None,
    }
    return {name: value for name, value in metrics.items() if value is not None}
