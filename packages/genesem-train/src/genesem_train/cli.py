"""The `genesem-train` command: arguments in, one library call, results to stdout, exit code out."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from genesem_embed.datasets import GenesemError
from genesem_train import __version__
from genesem_train.progress import FitProgress

if TYPE_CHECKING:
    from genesem_train.run import FitOutcome


class OneLineErrors(TyperGroup):
    """A command group that turns a problem into one line on stderr and exit code 1."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 (click's own signature)
        """Run the command; with ``--debug`` let the traceback through."""
        warnings.showwarning = lambda message, *where: typer.echo(f"warning: {message}", err=True)
        try:
            return super().invoke(ctx)
        except (GenesemError, OSError) as error:
            if ctx.params.get("debug"):
                raise
            typer.echo(f"error: {error}", err=True)
        except KeyboardInterrupt:
            typer.echo("error: interrupted; nothing half-written was left: run again, with --resume to go on", err=True)
        except Exception as error:  # our mistake, not the user's: still no traceback unless asked for
            if ctx.params.get("debug") or type(error).__module__.startswith(("click", "typer")):
                raise
            hint = "run again with --debug before the command and report it"
            typer.echo(f"error: unexpected {type(error).__name__}: {error}; {hint}", err=True)
        raise typer.Exit(1)


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Train spatial models on stored language-model vectors; no language model is loaded.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"genesem-train {__version__}")
        raise typer.Exit


@app.callback()
def _shared(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of a problem.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Take the options that come before a sub-command."""


@app.command(
    epilog="Example: `genesem-train fit --dataset slide.h5ad --store vectors --n-domains 7 --out results/slide`"
)
def fit(
    dataset: Annotated[
        str | None, typer.Option(help="A registered name, or a slide: .h5ad, Visium folder, SpatialData .zarr.")
    ] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Path or URL of the store. [default: $GENESEM_STORE, else data/store in a checkout]"),
    ] = None,
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
    semantics: Annotated[str | None, typer.Option(help="Where vectors come from: store, random, none.")] = None,
    recipe: Annotated[str | None, typer.Option(help="Recipe of the collection.")] = None,
    space: Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")] = None,
    collection: Annotated[
        str | None, typer.Option(help="First characters of the collection digest, where several fit.")
    ] = None,
    top_genes: Annotated[int | None, typer.Option(min=1, help="Genes per spot of the collection.")] = None,
    n_domains: Annotated[
        int | None, typer.Option(min=2, help="Domains to find. [default: as many as there are labels]")
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated seeds, e.g. 0,1,2.")] = None,
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
    resolution: Annotated[
        str | None, typer.Option(help="single-cell or spot-array: how far the smooth-pca baseline looks.")
    ] = None,
    counts_layer: Annotated[str | None, typer.Option(help="Layer that holds the raw counts, where X does not.")] = None,
    gene_symbols: Annotated[str | None, typer.Option(help="Column of var that holds gene symbols.")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu or cuda.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from where the same fit was broken off.")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder of the result. [default: results/NAME]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json instead of text.")] = False,
) -> None:
    """Find the spatial domains of a slide, score them against the annotation if there is one, and write a report."""
    from genesem_train.cells.config import wants_cells

    if wants_cells(method, config):
        keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
        given = {
            **keys,
            "split": split,
            "folds": folds,
            "seeds": _numbers(seeds),
            "space": space,
            "collection": collection,
        }
        _fit_cells(dataset, store, config, out, given, epochs, as_json)
        return

    from genesem_train.config import resolve_config
    from genesem_train.run import run_fit

    settings = resolve_config(dataset, preset=preset, path=config, mode=mode)
    settings = settings.with_values(method=method, mode=mode, counts_layer=counts_layer, gene_symbols=gene_symbols)
    settings = settings.with_values("data", label_key=label_key, n_domains=n_domains, resolution=resolution)
    settings = settings.with_values("model", fusion=fusion, backbone=backbone)
    settings = settings.with_values("training", seeds=_numbers(seeds), epochs=epochs, device=device)
    settings = settings.with_values(
        "semantics", kind=semantics, recipe=recipe, space=space, collection=collection, top_genes=top_genes
    )
    with FitProgress() as progress:
        result = run_fit(settings, store_place=store, out=out, resume=resume, on_epoch=progress.epoch)
    typer.echo(json.dumps(result.metrics, indent=2) if as_json else "\n".join(_summary(result)))


@app.command(
    epilog="Example: `genesem-train ablate --dataset cells.h5ad --store vectors --status-key outcome --out ablations`"
)
def ablate(
    dataset: Annotated[str | None, typer.Option(help="A registered name, or cells as .h5ad or .csv.")] = None,
    store: Annotated[
        str | None,
        typer.Option(help="Path or URL of the store. [default: $GENESEM_STORE, else data/store in a checkout]"),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="Settings in a TOML file, such as a result's config.toml.")
    ] = None,
    label_key: Annotated[str | None, typer.Option(help="Column with the cell type. [default: cell_type]")] = None,
    status_key: Annotated[str | None, typer.Option(help="Column with the clinical status of a patient.")] = None,
    group_key: Annotated[str | None, typer.Option(help="Column with the patient. [default: patient]")] = None,
    image_key: Annotated[str | None, typer.Option(help="Column with the image. [default: image]")] = None,
    split: Annotated[str | None, typer.Option(help="patient, image or cell. [default: patient]")] = None,
    folds: Annotated[int | None, typer.Option(min=2, help="Folds. [default: 5]")] = None,
    seeds: Annotated[str | None, typer.Option(help="Comma-separated seeds, e.g. 0,1,2.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="At most so many epochs of the heads.")] = None,
    space: Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")] = None,
    collection: Annotated[str | None, typer.Option(help="First characters of the whole text's collection.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the tables. [default: results/NAME-ablations]")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print ablations.json instead of text.")] = False,
) -> None:
    """Compare every stored wording of the cells with the whole text, and name the builds that are missing."""
    from genesem_train.cells.entry import ablate_cells
    from genesem_train.cells.report import ablation_lines

    keys = {"label_key": label_key, "status_key": status_key, "group_key": group_key, "image_key": image_key}
    given = {**keys, "split": split, "folds": folds, "seeds": _numbers(seeds), "space": space, "collection": collection}
    found = ablate_cells(dataset, path=config, given=given, epochs=epochs, store_place=store, out=out, on_step=_tell)
    typer.echo(json.dumps(found, indent=2) if as_json else "\n".join(ablation_lines(found)))


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
    from genesem_train.cells.report import terminal_lines

    result = fit_cells(dataset, path=config, given=given, epochs=epochs, store_place=store, out=out, on_step=_tell)
    typer.echo(json.dumps(result.metrics, indent=2) if as_json else "\n".join(terminal_lines(result)))


def _tell(words: str) -> None:
    typer.echo(words, err=True)


def _numbers(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        msg = f"{text!r} is not a list of seeds; expected whole numbers such as 0,1,2"
        raise typer.BadParameter(msg, param_hint="--seeds") from None


def _summary(result: "FitOutcome") -> list[str]:
    """Return the scores as a table: the mean and sd over seeds, the consensus, the baselines."""
    metrics = result.metrics
    names = list(metrics["consensus"])
    rows = {f"{metrics['method']}, mean of {len(metrics['seeds'])} seeds": metrics["mean"], "sd": metrics["sd"]}
    rows |= {"consensus": metrics["consensus"], **metrics["baseline"]}
    width = max(map(len, rows)) + 2
    lines = [f"{metrics['dataset']}: {metrics['n_spots']} spots, {metrics['n_domains']} domains", ""]
    lines.append(" " * width + "".join(f"{name:>13}" for name in names))
    for label, scores in rows.items():
        cells = (f"{scores[name]:13.2f}" if name in scores else " " * 13 for name in names)
        lines.append(f"{label:<{width}}" + "".join(cells))
    return [*lines, "", f"report: {result.out / 'report.html'}"]


def main() -> None:
    """Run the command line."""
    app()
