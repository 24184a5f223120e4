"""A model described without torch: its space, how it renders a prompt, and how many tokens a text has."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.card import Card, adapter_sha256, read_card
from genesem_embed.encoders.chat import find_user_part, render_chat, render_instruct
from genesem_embed.encoders.device import Device, find_device
from genesem_embed.encoders.locate import locate
from genesem_embed.encoders.tokens import TextTokenizer, tokenizer_sha256
from genesem_embed.errors import InputError
from genesem_embed.store.space import ComputeDtype, Pooling, Precision, Quantization, Space, Style

TRUNCATIONS = ("error", "end", "start")
_SPECIAL_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model as this machine would run it."""

    name: str
    folder: Path
    space: Space
    device: Device
    card: Card
    adapter: Path | None = None
    """Folder of a LoRA adapter."""

    def render(self, system: str | None, user: str) -> str:
        """Return the text of a prompt: in the model's chat template, as a task and its query, or the bare user part."""
        if self.space.style == "chat":
            template = self.card.chat_template or ""
            return render_chat(template, self._marks, system, user, thinking=bool(self.space.extra.get("thinking")))
        return render_instruct(system, user) if self.space.style == "instruct" else user

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return the number of tokens that the encoder will see for every text."""
        return self.tokenizer.count(texts)

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The tokenizer, with the truncation of the space."""
        return TextTokenizer(
            self.folder,
            special_tokens=self.space.style != "chat",
            max_tokens=self.space.max_tokens,
            truncation=self.space.truncation,
            part=self._user_part if self.space.pooling == "user-mean" else None,
        )

    def _user_part(self, text: str) -> tuple[int, int]:
        """Return where the user part of a rendered text begins and ends."""
        return find_user_part(text, self.render)

    @property
    def end_of_turn(self) -> str:
        """The token that ends a turn of a conversation."""
        return self._marks.get("eos_token", "")

    @cached_property
    def _marks(self) -> dict[str, str]:
        """Return the special tokens that a chat template may name."""
        found = {name: self.card.tokenizer_config.get(name) for name in _SPECIAL_TOKENS}
        return {name: _content(value) for name, value in found.items() if value}


def describe_model(
    model: str,
    *,
    pooling: str = "auto",
    style: str = "auto",
    layer: int = -1,
    normalise: bool | str = "auto",
    compute_dtype: str = "auto",
    quantization: str = "none",
    max_tokens: int | None = None,
    truncation: str = "error",
    precision: str = "float16",
    device: str = "auto",
    adapter: str | Path | None = None,
    int8_threshold: float = 6.0,
    thinking: bool = False,
    revision: str | None = None,
) -> Model:
    """Return what `model` is and which space its vectors would be in.

    Parameters
    ----------
    model
        ``minilm`` (bundled), a folder, or a hub id.
    pooling
        ``mean`` over all tokens, ``user-mean`` over those of the user part, ``last`` token; ``auto`` as the model's own
        sentence-transformers files say, else the mean.
    style
        ``chat``, ``instruct`` or ``plain``; ``auto``: instruct for last-token embedding models, chat where the model
        has a chat template, plain elsewhere.
    layer
        Which hidden states are pooled; -1 is the last layer, after the final norm.
    max_tokens
        The longest text; by default what the model's files say.
    truncation
        What happens to a longer one: ``error``, or cut at the ``end`` or the ``start``.
    adapter
        Folder of a LoRA adapter, as ``genesem-embed tune`` writes it.
    int8_threshold
        Activations beyond it make their column an outlier of the whole batch in int8, so that neighbours move a
        vector a little; 0 is exact for every batch, and less accurate for large models.
    thinking
        Whether a chat template leaves the model's turn open for thoughts.

    Raises
    ------
    InputError
        An option that the model cannot meet.
    ModelUnavailableError
        The model's files cannot be had or are not usable.
    """
    found = locate(model, revision)
    card = read_card(found.folder)
    where = find_device(device)
    form = _style(card, style)
    space = Space(
        model=found.name,
        revision=found.revision,
        weights_sha256=card.weights(),
        tokenizer_sha256=tokenizer_sha256(found.folder),
        template_sha256=hashlib.sha256((card.chat_template or "").encode()).hexdigest() if form == "chat" else "",
        style=form,
        pooling=_pooling(card, pooling, form),
        layer=_layer(card, layer),
        normalise=card.normalise if normalise == "auto" else bool(normalise),
        compute_dtype=_dtype(where) if compute_dtype == "auto" else cast("ComputeDtype", compute_dtype),
        quantization=cast("Quantization", quantization),
        adapter_sha256=adapter_sha256(Path(adapter)) if adapter else "",
        max_tokens=_max_tokens(card, max_tokens),
        truncation=_one_of("truncation", truncation, TRUNCATIONS),
        precision=cast("Precision", precision),
        dim=card.dim,
        extra=_extra(card, form, thinking=thinking, int8_threshold=int8_threshold if quantization == "int8" else None),
    )
    place = Path(adapter) if adapter else None
    return Model(name=found.name, folder=found.folder, space=space, device=where, card=card, adapter=place)


def _extra(card: Card, style: Style, *, thinking: bool, int8_threshold: float | None) -> dict[str, object]:
    """Return what only some models or settings have."""
    found: dict[str, object] = {}
    if style == "chat" and "enable_thinking" in (card.chat_template or ""):
        found["thinking"] = thinking
    if int8_threshold is not None:
        found["int8_threshold"] = float(int8_threshold)
    return found


def _layer(card: Card, wanted: int) -> int:
    """Return a layer that the model has: 0 is what enters the first one, -1 what leaves the last."""
    n_layers = card.n_layers
    if n_layers is not None and not -n_layers - 1 <= wanted <= n_layers:
        msg = f"--layer {wanted}: this model has {n_layers} layers; expected 0 to {n_layers}, or -1 to {-n_layers - 1}"
        raise InputError(msg)
    return wanted


def _style(card: Card, wanted: str) -> Style:
    if wanted == "auto":
        if card.pooling == "last":
            return "instruct"
        return "chat" if card.chat_template else "plain"
    style = cast("Style", _one_of("style", wanted, get_args(Style)))
    if style == "chat" and not card.chat_template:
        msg = f"the style chat needs a chat template, and {card.folder.name} has none; use the style plain"
        raise InputError(msg)
    return style


def _pooling(card: Card, wanted: str, style: Style) -> Pooling:
    if wanted == "user-mean" and style != "chat":
        msg = f"the pooling user-mean needs the style chat, here it is {style}; use mean"
        raise InputError(msg)
    found = (card.pooling or "mean") if wanted == "auto" else wanted
    return cast("Pooling", _one_of("pooling", found, get_args(Pooling)))


def _max_tokens(card: Card, wanted: int | None) -> int:
    if wanted is None:
        return min(card.max_tokens or card.n_positions, card.n_positions)
    if not 1 <= wanted <= card.n_positions:
        msg = f"at most {wanted} tokens were asked for; {card.folder.name} takes 1 to {card.n_positions}"
        raise InputError(msg)
    return wanted


def _dtype(device: Device) -> ComputeDtype:
    return "bfloat16" if device == "cuda" else "float32"


def _one_of(what: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        msg = f"unknown {what} {value!r}; expected one of {', '.join(known)}"
        raise InputError(msg)
    return value


def _content(token: Any) -> str:  # noqa: ANN401 - a string or an AddedToken written as an object
    return str(token["content"]) if isinstance(token, dict) else str(token)
