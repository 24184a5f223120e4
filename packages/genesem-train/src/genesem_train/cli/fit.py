"""`genesem-train fit`: from a slide and stored vectors to domains, scores and a report."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genesem_train.cli.console import JsonFlag, SeedsOption, StoreOption, domain_counts, numbers, say, tell
from genesem_train.progress import FitProgress

if TYPE_CHECKING:
    from genesem_train.run import FitOutcome

_EXAMPLE = "Example: `genesem-train fit --dataset slide.h5ad --store vectors --n-domains 7 --out results/slide`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("fit", epilog=_EXAMPLE)(fit)


def fit(
    datasets: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            help="A registered name, or a slide: .h5ad, Visium folder, SpatialData .zarr. Repeat it for several.",
        ),
    ] = None,
    store: StoreOption = None,
    preset: Annotated[
        str | None, typer.Option(help="Complete settings by name. [default: the data set's own, else default]")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Complete settings in a TOML file, such as a result's config.toml.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="semst, smooth-pca or pca; spatial2sentence on cells.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="faithful (the published method) or improved (decided by the slide).")
    ] = None,
    backbone: Annotated[str | None, typer.Option(help="semst or stagate.")] = None,
    fusion: Annotated[
        str | None, typer.Option(help="How semantics meet the graphs: fsm, concat, add, cross-attention, none.")
    ] = None,
    semantics: Annotated[
        str | None, typer.Option(help="Where vectors come from: store, random, unrelated, none.")
    ] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe of the collection.")] = None,
    space: Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="First characters of the collection digest, where several fit.")
    ] = None,
    top_genes: Annotated[int | None, typer.Option(min=1, help="Genes per spot of the collection.")] = None,
    n_domains: Annotated[
        str | None,
        typer.Option(
            help="Domains to find: a number, or the most stable of a range (4:12) or of 3 to 15 (auto). "
            "[default: as many as there are labels, else auto]"
        ),
    ] = None,
    seeds: SeedsOption = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; the last one is the result.")] = None,
    label_key: Annotated[
        str | None, typer.Option(help="Column of obs with the annotation; used for scoring only.")
    ] = None,
    status_key: Annotated[
        str | None, typer.Option(help="Column with the clinical status of a patient (spatial2sentence).")
    ] = None,
    group_key: Annotated[
        str | None, typer.Option(help="Column with the patient of a cell (spatial2sentence). [default: patient]")
    ] = None,
    image_key: Annotated[
        str | None, typer.Option(help="Column with the image of a cell (spatial2sentence). [default: image]")
    ] = None,
    split: Annotated[
        str | None, typer.Option(help="What folds never divide: patient, image or cell. [default: patient]")
    ] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds (spatial2sentence). [default: 5]")] = None,
    sample: Annotated[
        int | None, typer.Option(min=1, help="Use so many cells, drawn at random (spatial2sentence).")
    ] = None,
    resolution: Annotated[
        str | None, typer.Option(help="single-cell or spot-array: how far the smooth-pca baseline looks.")
    ] = None,
    counts_layer: Annotated[str | None, typer.Option(help="Layer that holds the raw counts, where X does not.")] = None,
    gene_symbols: Annotated[str | None, typer.Option(help="Column of var that holds gene symbols.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from where the same fit was broken off.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the result. [default: results/NAME]")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Find the spatial domains of a slide, score them against the annotation if there is one, and write a report."""
    from genesem_train.cells.config import wants_cells

    dataset = datasets[0] if datasets else None
    if wants_cells(method, config):
        keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
        given = {
            **keys,
            "split": split,
            "folds": folds,
            "sample": sample,
            "seeds": numbers(seeds),
            "space": space,
            "collection": collection,
        }
        _fit_cells(dataset, store, config, out, given, epochs, as_json)
        return

    from genesem_train.config import resolve_config
    from genesem_train.run import run_fit

    settings = resolve_config(dataset, preset=preset, path=config, mode=mode)
    settings = settings.with_values(method=method, mode=mode, counts_layer=counts_layer, gene_symbols=gene_symbols)
    settings = settings.with_values(more_datasets=tuple(datasets[1:]) if datasets and len(datasets) > 1 else None)
    settings = settings.with_values("data", label_key=label_key, resolution=resolution)
    settings = settings.with_domain_counts(*domain_counts(n_domains))
    settings = settings.with_values("model", fusion=fusion, backbone=backbone)
    settings = settings.with_values("training", seeds=numbers(seeds), epochs=epochs, device=device)
    settings = settings.with_values(
        "semantics", kind=semantics, recipe=recipe, space=space, collection=collection, top_genes=top_genes
    )
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
    metrics = result.metrics
    names = list(metrics["consensus"])
    rows = {f"{metrics['method']}, mean of {len(metrics['seeds'])} seeds": metrics["mean"], "sd": metrics["sd"]}
    rows |= {"consensus": metrics["consensus"]}
    rows |= {f"consensus on {name}": found["consensus"] for name, found in metrics.get("slides", {}).items()}
    rows |= metrics["baseline"]
    width = max(map(len, rows)) + 2
    lines = [f"{metrics['dataset']}: {metrics['n_spots']} spots, {metrics['n_domains']} domains", ""]
    if chosen := metrics.get("n_domains_chosen"):
        peaks = ", ".join(map(str, chosen["peaks"])) or "none"
        lines.insert(1, f"number of domains chosen by stability; peaks of its curve: {peaks}")
    lines.append(" " * width + "".join(f"{name:>13}" for name in names))
    for label, scores in rows.items():
        cells = (f"{scores[name]:13.2f}" if name in scores else " " * 13 for name in names)
        lines.append(f"{label:<{width}}" + "".join(cells))
    return [*lines, "", f"report: {result.out / 'report.html'}"]
