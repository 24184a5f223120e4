"""`genesem-train fit`: from a slide and stored vectors to domains, scores and a report."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genesem_train.cli import options
from genesem_train.cli.console import JsonFlag, StoreOption, numbers, refuse_given, say, tell
from genesem_train.cli.progress import FitProgress
from genesem_train.cli.settings import resolve_settings

if TYPE_CHECKING:
    from genesem_train.run import FitOutcome

_EXAMPLE = "Example: `genesem-train fit --dataset slide.h5ad --store vectors --n-domains 7 --out results/slide`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("fit", epilog=_EXAMPLE)(fit)


def fit(
    datasets: options.Slides = None,
    store: StoreOption = None,
    preset: options.Preset = None,
    config: options.Config = None,
    method: options.Method = None,
    mode: options.Mode = None,
    backbone: options.Backbone = None,
    fusion: options.Fusion = None,
    clusterer: options.Clusterer = None,
    semantics: options.SemanticsKind = None,
    recipe: options.Recipe = None,
    space: options.Space = None,
    collection: options.Collection = None,
    top_genes: options.TopGenes = None,
    n_domains: options.NDomains = None,
    seeds: options.Seeds = None,
    epochs: options.Epochs = None,
    label_key: options.LabelKey = None,
    status_key: options.StatusKey = None,
    group_key: options.GroupKey = None,
    image_key: options.ImageKey = None,
    split: options.Split = None,
    folds: options.Folds = None,
    sample: options.Sample = None,
    resolution: options.Resolution = None,
    counts_layer: options.CountsLayer = None,
    gene_symbols: options.GeneSymbols = None,
    device: options.Device = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from where the same fit was broken off.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the result. [default: results/NAME]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the spatial domains of a slide, score them against the annotation if there is one, and write a report."""
    from genesem_train.cells.config import wants_cells

    dataset, more = (datasets[0], datasets[1:]) if datasets else (None, [])
    if wants_cells(method, config):
        refuse_given(
            "--method semst or a baseline",
            {"--preset": preset, "--mode": mode, "--backbone": backbone, "--fusion": fusion, "--clusterer": clusterer}
            | {"--semantics": semantics, "--recipe": recipe, "--top-genes": top_genes, "--n-domains": n_domains}
            | {"--resolution": resolution, "--counts-layer": counts_layer, "--gene-symbols": gene_symbols}
            | {"--device": device, "--resume": resume or None, "a second --dataset": more or None},
        )
        of_cells = {
            "label_key": label_key,
            "status_key": status_key,
            "group_key": group_key,
            "image_key": image_key,
            "split": split,
            "folds": folds,
            "sample": sample,
            "seeds": numbers(seeds),
            "space": space,
            "collection": collection,
        }
        _fit_cells(dataset, store, config, out, of_cells, epochs, as_json)
        return

    refuse_given(
        "--method spatial2sentence",
        {"--status-key": status_key, "--group-key": group_key, "--image-key": image_key}
        | {"--split": split, "--folds": folds, "--sample": sample},
    )
    settings = resolve_settings(
        dataset,
        preset,
        config,
        n_domains,
        {
            "method": method,
            "mode": mode,
            "counts_layer": counts_layer,
            "gene_symbols": gene_symbols,
            "more_datasets": tuple(more) or None,
        },
        data={"label_key": label_key, "resolution": resolution},
        model={"fusion": fusion, "backbone": backbone},
        training={"seeds": numbers(seeds), "epochs": epochs, "device": device},
        domains={"clusterer": clusterer},
        semantics={
            "kind": semantics,
            "recipe": recipe,
            "space": space,
            "collection": collection,
            "top_genes": top_genes,
        },
    )
    if settings.method != "semst":
        refuse_given(
            "--method semst",
            {"--mode": mode, "--backbone": backbone, "--fusion": fusion, "--clusterer": clusterer, "--epochs": epochs}
            | {"--semantics": semantics, "--recipe": recipe, "--space": space, "--collection": collection}
            | {"--top-genes": top_genes, "--resume": resume or None},
        )
    from genesem_train.run import run_fit  # after the settings: a wrong one is told before torch is loaded

    with FitProgress() as progress:
        result = run_fit(settings, store_place=store, out=out, resume=resume, on_epoch=progress.epoch)
    if result.metrics:
        say(result.metrics, _summary(result), as_json=as_json)


def _fit_cells(
    dataset: str | None,
    store: str | None,
    config: Path | None,
    out: Path | None,
    given: Mapping[str, object],
    epochs: int | None,
    as_json: bool,
) -> None:
    from genesem_train.cells.entry import fit_cells
    from genesem_train.cells.terminal import terminal_lines

    result = fit_cells(dataset, path=config, given=given, epochs=epochs, store_place=store, out=out, on_step=tell)
    say(result.metrics, terminal_lines(result), as_json=as_json)


def _summary(result: "FitOutcome") -> list[str]:
    """Return the scores as a table: the mean and sd over seeds, the consensus, the baselines."""
    from genesem_train.domains import CONSENSUS_STARTS
    from genesem_train.report.scores import differences, method_name

    metrics = result.metrics
    names = list(metrics["consensus"])
    name, n_seeds = method_name(metrics), len(metrics["seeds"])
    if n_seeds > 1:
        rows = {f"{name}, mean of {n_seeds} seeds": metrics["mean"], "sd": metrics["sd"]}
        rows["consensus"] = metrics["consensus"]
    else:
        rows = {f"{name}, seed {metrics['seeds'][0]['seed']}": metrics["consensus"]}
    rows |= {f"consensus on {name}": found["consensus"] for name, found in metrics.get("slides", {}).items()}
    for plain, scores in metrics["baseline"].items():
        if n_seeds > 1:
            rows |= {
                f"baseline {plain}, mean of {n_seeds} seeds": scores["mean"],
                f"baseline {plain}, sd": scores["sd"],
            }
        rows[f"baseline {plain}, best of {CONSENSUS_STARTS} starts"] = scores
    width = max(map(len, rows)) + 2
    lines = [f"{metrics['dataset']}: {metrics['n_spots']} spots, {metrics['n_domains']} domains", ""]
    if chosen := metrics.get("n_domains_chosen"):
        peaks = ", ".join(map(str, chosen["peaks"])) or "none"
        lines.insert(1, f"number of domains chosen by stability; peaks of its curve: {peaks}")
    lines.append(" " * width + "".join(f"{name:>13}" for name in names))
    for label, scores in rows.items():
        cells = (f"{scores[name]:13.2f}" if name in scores else " " * 13 for name in names)
        lines.append(f"{label:<{width}}" + "".join(cells))
    if "ari" not in names:
        lines += ["", "chaos, pas: lower is smoother; silhouette: higher is tighter. With --label-key COLUMN, scores."]
    return [*lines, "", *differences(metrics), f"report: {result.out / 'report.html'}"]
