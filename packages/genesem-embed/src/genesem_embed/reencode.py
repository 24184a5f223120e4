"""Encoding stored texts again, in the space that they are stored in; what `audit` compares with.

Nothing here imports torch until a text is encoded.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.model import Model, describe_model
from genesem_embed.errors import GenesemError
from genesem_embed.store import Space

BUNDLED = "minilm"


class Reencoder:
    """Encodes texts in any space whose model can be had; remembers why it could not for the others.

    Parameters
    ----------
    model
        Name, folder or hub id to take for the model of every space; None takes what each space names.
    device
        ``auto``, ``cpu`` or ``cuda``.
    """

    def __init__(self, model: str | None = None, device: str = "auto") -> None:
        self._model = model
        self._device = device
        self.skipped: dict[str, str] = {}
        """Space id to the reason for which it was not encoded again."""

    def __call__(self, space: Space, texts: Sequence[str]) -> npt.NDArray[np.float32] | None:
        """Return one vector per text, or None if the model of the space is not to be had here."""
        model = self._find(space)
        if model is None:
            return None
        from genesem_embed.encoders.transformer import load_encoder

        vectors = np.empty((len(texts), space.dim), np.float32)
        for batch in load_encoder(model).encode(texts):
            vectors[batch.rows] = batch.vectors
        return vectors

    def _find(self, space: Space) -> Model | None:
        """Return the model of a space: the one that was named, the one the space names, or the bundled one."""
        for name in [self._model] if self._model else [space.model, BUNDLED]:
            try:
                model = self._describe(name, space)
            except GenesemError as error:
                self.skipped.setdefault(space.id, str(error))
                continue
            if _same(model.space, space):
                self.skipped.pop(space.id, None)
                return model
            self.skipped.setdefault(space.id, f"{name} is not its model: weights, tokenizer or pooling differ")
        return None

    def _describe(self, name: str, space: Space) -> Model:
        return describe_model(
            name,
            pooling=space.pooling,
            style=space.style,
            layer=space.layer,
            normalise=space.normalise,
            quantization=space.quantization,
            max_tokens=space.max_tokens,
            truncation=space.truncation,
            precision=space.precision,
            device=self._device,
        )


def _same(found: Space, wanted: Space) -> bool:
    """Tell whether two spaces differ at most in the name of the model, its revision and the type computed in."""
    aligned = replace(found, model=wanted.model, revision=wanted.revision, compute_dtype=wanted.compute_dtype)
    return aligned.id == wanted.id
