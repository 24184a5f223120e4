"""`genesem-embed build`: from a slide to stored vectors."""

import enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genesem_embed.cli.console import JsonFlag, StoreOption, say
from genesem_embed.cli.progress import EncodingProgress
from genesem_embed.errors import InputError

if TYPE_CHECKING:
    from genesem_embed.build import BuildReport
    from genesem_embed.encoders.protocol import Described, Encoder

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


class Engine(enum.StrEnum):
    """What computes the vectors."""

    transformers = "transformers"
    openai = "openai"
    ray = "ray"


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("build", epilog=_EXAMPLE)(build)


def build(
    dataset: Annotated[
        str, typer.Option("--dataset", help="A registered name, or a slide: .h5ad, Visium folder, SpatialData .zarr.")
    ],
    store: StoreOption = None,
    recipe: Annotated[
        str, typer.Option(help="How the slide becomes texts: spot-symbols, gene-summaries, cell-sentences.")
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
    engine: Annotated[Engine, typer.Option(help="This machine, a server (--endpoint), or Ray.")] = Engine.transformers,
    endpoint: Annotated[
        str | None, typer.Option(help="Server for --engine openai (http://host:8000/v1), cluster for --engine ray.")
    ] = None,
    actors: Annotated[int | None, typer.Option(min=1, help="Ray actors, each with a model. [default: by GPUs]")] = None,
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
    from genesem_embed.texts import RecipeOptions, find_recipe

    place = store or default_store()
    chosen = find_recipe(recipe)
    options = RecipeOptions(
        top_genes=top_genes,
        template=template,
        gene_table=gene_table,
        organism=organism,
        orthologues=orthologues,
        preprocess=PreprocessOptions(min_cells=min_cells, n_hvg=n_hvg),
    )
    slide = load_slide(dataset, counts_layer=counts_layer, gene_symbols=gene_symbols)
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
    described = _describe(engine, endpoint, model, chosen.default_model, wishes)
    if dry_run:
        existing = Store.open(place) if is_store(place) else None
        report = steps.dry_run(steps.plan(slide, recipe, options, described, existing), described)
        say(report.to_json(), _planned(report), as_json=as_json)
        return
    with Store.open(place, mode="a") as opened, EncodingProgress() as progress:
        report = steps.build(
            slide,
            recipe,
            options,
            described,
            opened,
            load_encoder=lambda found: _load(found, engine, batch_tokens, endpoint, actors),
            limit=limit,
            on_start=progress.start,
            on_batch=progress.advance,
        )
    say(report.to_json(), _built(report, place), as_json=as_json)


def _describe(
    engine: Engine, endpoint: str | None, model: str | None, default: str, wishes: dict[str, Any]
) -> "Described":
    if engine is Engine.openai:
        from genesem_embed.encoders.openai import describe_server

        if endpoint is None:
            msg = "--engine openai needs --endpoint, such as http://localhost:8000/v1"
            raise InputError(msg)
        return describe_server(endpoint, model=model, style=wishes["style"], precision=wishes["precision"])
    from genesem_embed.encoders.model import describe_model

    return describe_model(model or default, **wishes)


def _load(
    model: Any,  # noqa: ANN401 - what _describe gave for the same engine
    engine: Engine,
    batch_tokens: int | None,
    endpoint: str | None,
    actors: int | None,
) -> "Encoder":
    if engine is Engine.openai:
        from genesem_embed.encoders.openai import ServerEncoder

        return ServerEncoder(model)
    if engine is Engine.ray:
        from genesem_embed.encoders.cluster import RayEncoder

        return RayEncoder(model, address=endpoint, n_actors=actors, batch_tokens=batch_tokens)
    from genesem_embed.encoders.transformer import load_encoder

    encoder: Encoder = load_encoder(model, batch_tokens=batch_tokens)
    return encoder


def _planned(report: "BuildReport") -> list[str]:
    return [
        f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored",
        f"to encode: {report.n_left} texts, {report.n_tokens_left} tokens (dry run, nothing written)",
    ]


def _built(report: "BuildReport", place: str) -> list[str]:
    head = f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored"
    if report.n_encoded:
        head += f", {report.n_encoded} encoded in {report.seconds:.1f} s"
    else:
        head += ", nothing to encode (no language model was loaded)"
    if report.collection is None:
        return [head, f"{report.n_left} texts left: run again without --limit to finish the collection"]
    return [head, f"collection {report.collection} @ {str(report.digest)[:12]} in {place}, space {report.space[:12]}"]
