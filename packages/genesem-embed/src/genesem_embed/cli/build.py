"""`genesem-embed build`: from a slide to stored vectors."""

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genesem_embed.cli import engines
from genesem_embed.cli.console import JsonFlag, StoreOption, say
from genesem_embed.cli.progress import EncodingProgress

if TYPE_CHECKING:
    from collections.abc import Mapping

    from genesem_embed.build import BuildReport
    from genesem_embed.encoders.protocol import Described, Encoder
    from genesem_embed.texts import TokenBudget

_EXAMPLE = "Example: `genesem-embed build --dataset slide.h5ad --store vectors --model minilm --top-genes 20`"


class Precision(enum.StrEnum):
    """How a stored number is kept."""

    float16 = "float16"
    float32 = "float32"


class Quantization(enum.StrEnum):
    """How the weights are held while encoding."""

    none = "none"
    int8 = "int8"
    nf4 = "nf4"


class Device(enum.StrEnum):
    """Where the encoder runs."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("build", epilog=_EXAMPLE)(build)


def build(
    dataset: Annotated[
        str, typer.Option("--dataset", help="A registered name, or a slide: .h5ad, Visium folder, SpatialData .zarr.")
    ],
    store: StoreOption = None,
    recipe: Annotated[
        str,
        typer.Option(
            help="How the slide becomes texts: spot-symbols, gene-summaries, cell-sentences, unrelated-words (control)."
        ),
    ] = "spot-symbols",
    template: Annotated[
        str | None, typer.Option(help="Wording of the recipe. [default: the recipe's first, e.g. paper]")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            help="Hub id, folder, or minilm (bundled). [default: Qwen/Qwen3-4B, for summaries Qwen/Qwen3-Embedding-4B]"
        ),
    ] = None,
    top_genes: Annotated[int, typer.Option(min=1, help="Genes listed per spot, most expressed first.")] = 20,
    min_cells: Annotated[
        int, typer.Option(min=0, help="Drop genes found in fewer spots before choosing variable genes.")
    ] = 10,
    n_hvg: Annotated[int, typer.Option(min=1, help="Highly variable genes that texts may name.")] = 3000,
    gene_table: Annotated[
        Path | None, typer.Option(help="Gene texts for gene-summaries: NCBI folder, or a parquet, csv or tsv table.")
    ] = None,
    organism: Annotated[
        str | None, typer.Option(help="human, mouse or an NCBI taxonomy number. [default: the slide's own]")
    ] = None,
    orthologues: Annotated[
        bool, typer.Option("--orthologues", help="Use the human summary where a mouse gene has none.")
    ] = False,
    cells: Annotated[
        list[str] | None,
        typer.Option(
            "--cells",
            metavar="NAME=VALUE",
            help="Option of cell-sentences, repeatable: k=3, pairing=spatial, negatives=paper-like, sections=near, "
            "scaling=p99, split_key=donor, status_key=stage, folds=4, occlude=CD3, sample=500 ...",
        ),
    ] = None,
    variants: Annotated[
        list[str] | None,
        typer.Option(
            "--variant",
            metavar="'NAME=VALUE ...'",
            help="Build once for each of these changes to --cells, repeatable; the model is loaded once: "
            "--variant k=0 --variant 'k=3 negatives=paper-like'.",
        ),
    ] = None,
    counts_layer: Annotated[str | None, typer.Option(help="Layer that holds the raw counts, where X does not.")] = None,
    gene_symbols: Annotated[
        str | None, typer.Option(help="Column of var that holds gene symbols, where the index holds Ensembl ids.")
    ] = None,
    precision: Annotated[Precision, typer.Option(help="Stored precision.")] = Precision.float16,
    quantization: Annotated[Quantization, typer.Option(help="Weights while encoding.")] = Quantization.none,
    batch_tokens: Annotated[
        int | None, typer.Option(min=1, help="Token budget of one batch. [default: by device]")
    ] = None,
    device: Annotated[Device, typer.Option(help="Where the encoder runs.")] = Device.auto,
    pooling: Annotated[
        str, typer.Option(help="mean, user-mean (the user part alone), last (token), or auto: as the model says.")
    ] = "auto",
    style: Annotated[str, typer.Option(help="chat, instruct, plain, or auto: as the model says.")] = "auto",
    layer: Annotated[int, typer.Option(help="Hidden states to pool; -1 is the last layer.")] = -1,
    thinking: Annotated[
        bool,
        typer.Option("--thinking", help="Leave the model's turn open for thoughts, as SemST's released code does."),
    ] = False,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Longest text. [default: as the model says]")] = None,
    truncate: Annotated[str, typer.Option(help="A longer text is an error, or cut at its end or start.")] = "error",
    int8_threshold: Annotated[
        float, typer.Option(min=0.0, help="Outliers of int8; 0 keeps the texts of a batch from moving each other.")
    ] = 6.0,
    adapter: Annotated[Path | None, typer.Option(help="Folder of a LoRA adapter, as `tune` writes it.")] = None,
    revision: Annotated[str | None, typer.Option(help="Commit or tag of a hub model. [default: newest]")] = None,
    engine: Annotated[
        engines.Engine, typer.Option(help="This machine, a server (--endpoint), or Ray.")
    ] = engines.Engine.transformers,
    endpoint: Annotated[
        str | None, typer.Option(help="Server for --engine openai (http://host:8000/v1), cluster for --engine ray.")
    ] = None,
    actors: Annotated[int | None, typer.Option(min=1, help="Ray actors, each with a model. [default: by GPUs]")] = None,
    writers: Annotated[
        engines.Writers,
        typer.Option(help="Who publishes a Ray build's segments; auto: the actors where all of them see the store."),
    ] = engines.Writers.auto,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Encode at most so many texts, then stop; the next build goes on.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be encoded; write nothing.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Encode the texts of a slide that the store lacks, and publish the slide's collection."""
    from genesem_embed import build as steps
    from genesem_embed.datasets import PreprocessOptions, load_slide
    from genesem_embed.store import Store, default_store, is_store
    from genesem_embed.texts import RecipeOptions, expand_options, find_recipe, parse_cell_options

    place = store or default_store()
    chosen = find_recipe(recipe)
    slide = load_slide(dataset, kind=chosen.kind, counts_layer=counts_layer, gene_symbols=gene_symbols)
    wishes: dict[str, Any] = {
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
    # one, or one a fold where texts depend on the training cells, for each variant
    parts = [
        part
        for words in variants or [""]
        for part in expand_options(
            slide, recipe, replace(options, cells=parse_cell_options(words.split(), options.cells))
        )
    ]

    @cache
    def encoder() -> "Encoder":
        return engines.load(described, engine, batch_tokens, endpoint, actors, writers)

    reports = []
    for part in parts:
        if dry_run:
            existing = Store.open(place) if is_store(place) else None
            reports.append(steps.dry_run(steps.plan(slide, recipe, part, described, existing), described))
            continue
        with Store.open(place, mode="a") as opened, EncodingProgress() as progress, _every_failure_told():
            report = steps.build(
                slide,
                recipe,
                part,
                described,
                opened,
                load_encoder=lambda model: encoder(),
                limit=limit,
                on_start=progress.start,
                on_batch=progress.advance,
            )
        reports.append(report)
    results = [report.to_json() for report in reports]
    lines = [line for report in reports for line in (_planned(report) if dry_run else _built(report, place))]
    say(results[0] if len(results) == 1 else {"parts": results}, lines, as_json=as_json)


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


def _planned(report: "BuildReport") -> list[str]:
    return [
        f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored",
        f"to encode: {report.n_left} texts, {report.n_tokens_left} tokens (dry run, nothing written)",
        *_warned(report),
    ]


def _built(report: "BuildReport", place: str) -> list[str]:
    told = f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored"
    if report.n_encoded:
        told += f", {report.n_encoded} encoded in {report.seconds:.1f} s"
    else:
        told += ", nothing to encode (no language model was loaded)"
    head = [told, *_how(report.encoder), *_warned(report)]
    if report.collection is None:
        return [*head, f"{report.n_left} texts left: run again without --limit to finish the collection"]
    return [*head, f"collection {report.collection} @ {str(report.digest)[:12]} in {place}, space {report.space[:12]}"]


def _how(encoder: "Mapping[str, object]") -> list[str]:
    """Return how the vectors were computed, as far as the encoder tells."""
    names = {
        "attention": "attention {}",
        "products": "products by {}",
        "batch_tokens": "{} tokens a batch",
        "writers": "segments written by the {}",
        "actors_lost": "{} actors lost",
    }
    told = [words.format(encoder[name]) for name, words in names.items() if name in encoder]
    lines = ["encoded on " + ", ".join([str(encoder["device"]), *told])] if encoder else []
    if encoder.get("memory_ran_out"):
        lines.append(
            f"note: memory ran out; later runs begin with {encoder['batch_tokens']} tokens a batch "
            "(--batch-tokens sets another number)"
        )
    return lines


def _warned(report: "BuildReport") -> list[str]:
    said = report.notes.get("warnings", [])
    return [f"note: {line}" for line in said] if isinstance(said, list) else []
