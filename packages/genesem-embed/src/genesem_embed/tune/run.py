"""Texts and answers to an adapter, on one page: examples, network, steps, checkpoints, the folder at the end."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from genesem_embed.encoders.card import adapter_sha256
from genesem_embed.encoders.model import Model
from genesem_embed.encoders.weights import load_language_model, quiet_peft
from genesem_embed.errors import InputError, MissingExtraError
from genesem_embed.tune.examples import Example, read_examples
from genesem_embed.tune.options import TuneOptions, TuneReport

_WARM_UP = 0.05
_IGNORED = -100


def tune(
    model: Model,
    texts: Path,
    out: Path,
    options: TuneOptions,
    *,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> TuneReport:
    """Return what was learned; the adapter lies in `out`, whole or not at all.

    A fit that is stopped goes on from its last checkpoint with `options.resume`, and ends where it would have ended.

    Raises
    ------
    InputError
        `out` exists already, or the texts cannot be used.
    MissingExtraError
        peft is not installed.
    """
    if out.exists():
        msg = f"{out} exists already; choose another folder for the adapter or remove it"
        raise InputError(msg)
    examples = read_examples(texts, model)
    torch.manual_seed(options.seed)
    network = _adapted(model, options)
    losses = _fit(network, examples, _checkpoint(out), options, on_step)
    _publish(network, out)
    n_shown = max(len(losses) // 10, 1)
    return TuneReport(
        n_texts=len(examples),
        n_steps=len(losses),
        first_loss=float(np.mean(losses[:n_shown])),
        last_loss=float(np.mean(losses[-n_shown:])),
        adapter_sha256=adapter_sha256(out),
    )


def _adapted(model: Model, options: TuneOptions) -> Any:  # noqa: ANN401 - peft's models have no common type
    """Return the language model with a fresh adapter on every linear layer."""
    try:
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    except ImportError:
        msg = 'tuning needs peft: pip install "genesem-embed[tune]"'
        raise MissingExtraError(msg) from None
    network = load_language_model(model, {"": 0 if model.device == "cuda" else "cpu"})
    network.config.use_cache = False
    config = LoraConfig(
        r=options.rank,
        lora_alpha=options.alpha,
        lora_dropout=options.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    with quiet_peft():
        if model.space.quantization != "none":
            network = prepare_model_for_kbit_training(  # type: ignore[no-untyped-call]
                network, gradient_checkpointing_kwargs={"use_reentrant": False}
            )
        return get_peft_model(network, config)


def _fit(
    network: Any,  # noqa: ANN401 - as above
    examples: list[Example],
    checkpoint: Path,
    options: TuneOptions,
    on_step: Callable[[int, float], None],
) -> list[float]:
    """Return the loss of every step."""
    learned = {name: value for name, value in network.named_parameters() if value.requires_grad}
    optimiser = torch.optim.AdamW(learned.values(), lr=options.learning_rate, weight_decay=0.0)
    batches = list(_batches(len(examples), options))
    losses = _resume(checkpoint, learned, optimiser) if options.resume else []
    network.train()
    for step, rows in list(enumerate(batches))[len(losses) :]:
        for group in optimiser.param_groups:
            group["lr"] = options.learning_rate * _rate(step, len(batches))
        torch.manual_seed(options.seed + step)  # dropout is the same after a resume
        loss = network(**_collate([examples[row] for row in rows], network.device)).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learned.values(), 1.0)
        optimiser.step()
        optimiser.zero_grad()
        losses.append(float(loss.detach()))
        on_step(step + 1, losses[-1])
        if (step + 1) % options.checkpoint_steps == 0:
            _save(checkpoint, learned, optimiser, losses)
    return losses


def _batches(n_examples: int, options: TuneOptions) -> Iterator[list[int]]:
    """Yield the examples of every step, in a new order each epoch."""
    for epoch in range(options.epochs):
        order = np.random.default_rng([options.seed, epoch]).permutation(n_examples).tolist()
        for start in range(0, n_examples, options.batch_texts):
            yield order[start : start + options.batch_texts]


def _rate(step: int, n_steps: int) -> float:
    """Return the share of the learning rate at `step`: up in a few steps, then down in a line."""
    rise = max(int(_WARM_UP * n_steps), 1)
    return min((step + 1) / rise, (n_steps - step) / max(n_steps - rise + 1, 1))


def _collate(examples: list[Example], place: torch.device) -> dict[str, torch.Tensor]:
    """Return padded ids, the mask, and the labels, which hold the answers alone."""
    shape = len(examples), max(len(one.ids) for one in examples)
    ids, mask = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape, dtype=torch.int64)
    labels = torch.full(shape, _IGNORED)
    for row, one in enumerate(examples):
        ids[row, : len(one.ids)] = torch.from_numpy(one.ids)
        mask[row, : len(one.ids)] = 1
        labels[row, one.n_asked : len(one.ids)] = torch.from_numpy(one.ids[one.n_asked :])
    return {"input_ids": ids.to(place), "attention_mask": mask.to(place), "labels": labels.to(place)}


def _checkpoint(out: Path) -> Path:
    return out.parent / f".{out.name}.checkpoint.pt"


def _save(
    path: Path, learned: dict[str, torch.nn.Parameter], optimiser: torch.optim.Optimizer, losses: list[float]
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    weights = {name: value.detach() for name, value in learned.items()}
    torch.save({"weights": weights, "optimiser": optimiser.state_dict(), "losses": losses}, beside)
    beside.replace(path)


def _resume(path: Path, learned: dict[str, torch.nn.Parameter], optimiser: torch.optim.Optimizer) -> list[float]:
    """Put the last checkpoint back, and return the losses up to it; without one, start at the beginning."""
    if not path.exists():
        return []
    found = torch.load(path, weights_only=True, map_location="cpu")
    if set(found["weights"]) != set(learned):
        msg = f"the checkpoint {path} is of another model or rank; remove it or leave --resume out"
        raise InputError(msg)
    with torch.no_grad():
        for name, value in learned.items():
            value.copy_(found["weights"][name])
    optimiser.load_state_dict(found["optimiser"])
    losses: list[float] = found["losses"]
    return losses


def _publish(network: Any, out: Path) -> None:  # noqa: ANN401 - as above
    """Write the adapter beside `out`, then rename it, and drop the checkpoint."""
    beside = out.parent / f".{out.name}.part"
    shutil.rmtree(beside, ignore_errors=True)
    network.save_pretrained(str(beside), safe_serialization=True)
    beside.replace(out)
    _checkpoint(out).unlink(missing_ok=True)
