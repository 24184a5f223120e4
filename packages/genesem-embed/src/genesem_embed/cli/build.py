"""`genesem-embed build`: from a slide to stored vectors."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import typer

from genesem_embed.cli import build_options as given
from genesem_embed.cli import engines
from genesem_embed.cli.build_words import built_lines, planned_lines
from genesem_embed.cli.console import JsonFlag, StoreOption, say
from genesem_embed.cli.progress import EncodingProgress

if TYPE_CHECKING:
    from anndata import AnnData

    from genesem_embed.build import BuildReport
    from genesem_embed.encoders.protocol import Described, Encoder
    from genesem_embed.texts import RecipeOptions, TokenBudget

_EXAMPLE = "Example: `genesem-embed build --dataset slide.h5ad --store vectors --model minilm --top-genes 20`"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("build", epilog=_EXAMPLE)(build)


def build(
    dataset: given.Dataset,
    store: StoreOption = None,
    recipe: given.Recipe = "spot-symbols",
    template: given.Template = None,
    model: given.Model = None,
    top_genes: given.TopGenes = 20,
    min_cells: given.MinCells = 10,
    n_hvg: given.NHvg = 3000,
    gene_table: given.GeneTable = None,
    organism: given.Organism = None,
    orthologues: given.Orthologues = False,
    cells: given.Cells = None,
    variants: given.Variants = None,
    counts_layer: given.CountsLayer = None,
    gene_symbols: given.GeneSymbols = None,
    precision: given.StoredPrecision = given.Precision.float16,
    quantization: given.Weights = given.Quantization.none,
    batch_tokens: given.BatchTokens = None,
    device: given.RunsOn = given.Device.auto,
    pooling: given.Pooling = "auto",
    style: given.Style = "auto",
    layer: given.Layer = -1,
    thinking: given.Thinking = False,
    max_tokens: given.MaxTokens = None,
    truncate: given.Truncate = "error",
    int8_threshold: given.Int8Threshold = 6.0,
    adapter: given.Adapter = None,
    revision: given.Revision = None,
    engine: given.Engine = engines.Engine.transformers,
    endpoint: given.Endpoint = None,
    actors: given.Actors = None,
    writers: given.Writers = engines.Writers.auto,
    limit: given.Limit = None,
    dry_run: given.DryRun = False,
    as_json: JsonFlag = False,
) -> None:
    """Encode the texts of a slide that the store lacks, and publish the slide's collection."""
    from genesem_embed.datasets import PreprocessOptions, load_slide
    from genesem_embed.errors import InputError
    from genesem_embed.store import default_store
    from genesem_embed.texts import RecipeOptions, find_recipe, parse_cell_options

    place = store or default_store()
    chosen = find_recipe(recipe)
    if chosen.kind != "markers" and (cells or variants):
        msg = f"--cells and --variant would not be read by {recipe}; expected with cell-sentences: leave them out"
        raise InputError(msg)
    slide = load_slide(dataset, kind=chosen.kind, counts_layer=counts_layer, gene_symbols=gene_symbols)
    wishes = {
        "pooling": pooling,
        "style": style,
        "layer": layer,
        "quantization": quantization.value,
        "max_tokens": max_tokens,
        "truncation": truncate,
        "precision": precision.value,
        "device": device.value,
        "adapter": adapter,
        "int8_threshold": int8_threshold,
        "thinking": thinking,
        "revision": revision,
    }
    described = engines.describe(engine, endpoint, model, chosen.default_model, wishes)
    options = RecipeOptions(
        top_genes=top_genes,
        template=template,
        gene_table=gene_table,
        organism=organism,
        orthologues=orthologues,
        preprocess=PreprocessOptions(min_cells=min_cells, n_hvg=n_hvg),
        cells=parse_cell_options(cells or ()),
        budget=_budget(described),
    )
    parts = _parts(slide, recipe, options, variants or [""])
    if dry_run:
        reports = [_plan(slide, recipe, part, described, place) for part in parts]
        lines = [line for report in reports for line in planned_lines(report)]
    else:

        @cache
        def encoder() -> "Encoder":
            return engines.load(described, engine, batch_tokens, endpoint, actors, writers)

        reports = [_build(slide, recipe, part, described, place, encoder, limit) for part in parts]
        lines = [line for report in reports for line in built_lines(report, place)]
    results = [report.to_json() for report in reports]
    say(results[0] if len(results) == 1 else {"parts": results}, lines, as_json=as_json)


def _parts(slide: "AnnData", recipe: str, options: "RecipeOptions", variants: Sequence[str]) -> list["RecipeOptions"]:
    """Return what to build: one part for each variant, or one a fold where texts depend on the training cells."""
    from genesem_embed.texts import expand_options, parse_cell_options

    changed = [replace(options, cells=parse_cell_options(words.split(), options.cells)) for words in variants]
    return [part for one in changed for part in expand_options(slide, recipe, one)]


def _plan(slide: "AnnData", recipe: str, options: "RecipeOptions", model: "Described", place: str) -> "BuildReport":
    """Return what a build would do; a store that is not there is not made."""
    from genesem_embed import build as steps
    from genesem_embed.store import Store, is_store

    existing = Store.open(place) if is_store(place) else None
    return steps.dry_run(steps.plan(slide, recipe, options, model, existing), model)


def _build(
    slide: "AnnData",
    recipe: str,
    options: "RecipeOptions",
    model: "Described",
    place: str,
    encoder: Callable[[], "Encoder"],
    limit: int | None,
) -> "BuildReport":
    """Return what was built; `encoder` is asked for only if a text has no vector."""
    from genesem_embed import build as steps
    from genesem_embed.store import Store

    with Store.open(place, mode="a") as store, EncodingProgress() as progress, _every_failure_told():
        return steps.build(
            slide,
            recipe,
            options,
            model,
            store,
            load_encoder=lambda described: encoder(),
            limit=limit,
            on_start=progress.start,
            on_batch=progress.advance,
        )


@contextmanager
def _every_failure_told() -> Iterator[None]:
    """Print a line for each text that failed; the error itself names the first few."""
    from genesem_embed.errors import TextsFailedError

    try:
        yield
    except TextsFailedError as error:
        for failed in error.failed:
            typer.echo(f"failed: {failed}", err=True)
        raise


def _budget(model: "Described") -> "TokenBudget":
    """Return how long a text the model takes, and how to count; recipes drop whole sentences to fit."""
    from genesem_embed.texts import TokenBudget

    return TokenBudget(
        max_tokens=model.space.max_tokens,
        count=lambda system, users: model.count_tokens([model.render(system, user) for user in users]),
    )
