"""`genesem-embed models` and `genesem-embed tune`: what is here to encode with, and fitting it to labelled texts."""

from pathlib import Path
from typing import Annotated

import typer

from genesem_embed.cli.console import JsonFlag, say


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("models", epilog="Example: `genesem-embed models --json`")(models)
    app.command(
        "tune", epilog="Example: `genesem-embed tune --model Qwen/Qwen3-0.6B --texts cells.parquet --out adapter`"
    )(tune)


def models(as_json: JsonFlag = False) -> None:
    """List the models that are on this machine: size, licence, and what fits its memory."""
    from genesem_embed.encoders.listing import list_models

    found = list_models()
    lines = [
        f"{entry.name}  {entry.kind}, {entry.dim} dimensions, {entry.n_bytes / 1e9:.2f} GB, licence {entry.licence}, "
        + (f"fits with quantization {entry.fits}" if entry.fits else "too large for one device here")
        for entry in found
    ]
    none = ['no model is here: pip install "genesem-embed[offline]", or point HF_HOME at a cache']
    say({"models": [entry.to_json() for entry in found]}, lines or none, as_json=as_json)


def tune(
    model: Annotated[str, typer.Option(help="Causal language model: hub id or folder.")],
    texts: Annotated[
        Path, typer.Option(help="Table of model_input and response (parquet, jsonl, csv); `examples` writes it.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the adapter; checkpoints lie beside it until it is whole.")],
    quantization: Annotated[str, typer.Option(help="none for LoRA, nf4 or int8 for QLoRA.")] = "none",
    rank: Annotated[int, typer.Option(min=1, help="Rank of the adapter.")] = 16,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the texts.")] = 1,
    batch_texts: Annotated[int, typer.Option(min=1, help="Texts of one step.")] = 8,
    learning_rate: Annotated[float, typer.Option(min=0.0, help="Step size at its highest.")] = 2e-4,
    seed: Annotated[int, typer.Option(help="Order of the texts and start of the adapter.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    as_json: JsonFlag = False,
) -> None:
    """Fit a LoRA adapter on texts and their answers; `build --adapter` encodes with it."""
    from genesem_embed.encoders.model import describe_model
    from genesem_embed.tune import TuneOptions
    from genesem_embed.tune import tune as fit

    options = TuneOptions(
        rank=rank, epochs=epochs, batch_texts=batch_texts, learning_rate=learning_rate, seed=seed, resume=resume
    )
    found = fit(
        describe_model(model, quantization=quantization, device=device),
        texts,
        out,
        options,
        on_step=lambda step, loss: typer.echo(f"step {step}: loss {loss:.4f}", err=True),
    )
    lines = [f"{found.n_texts} texts, {found.n_steps} steps, loss {found.first_loss:.4f} to {found.last_loss:.4f}"]
    lines.append(f"adapter in {out}: genesem-embed build --model {model} --adapter {out}")
    say(found.to_json(), lines, as_json=as_json)
