"""The one encoder for every Hugging Face model on this machine: token ids in, pooled float32 vectors out."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from genesem_embed.encoders.batches import length_batches
from genesem_embed.encoders.model import Model
from genesem_embed.encoders.pooling import pool
from genesem_embed.encoders.problems import Problems
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.encoders.weights import load_weights

_BATCH_TOKENS = {"cpu": 2048, "cuda": 32_768}


class TransformerEncoder:
    """Runs a model's network over texts; `load_encoder` makes one."""

    def __init__(self, model: Model, network: torch.nn.Module, batch_tokens: int) -> None:
        self.space = model.space
        self._model = model
        self._network = network
        self._batch_tokens = batch_tokens
        self._place = torch.device(model.device)

    @property
    def device(self) -> str:
        """What it runs on."""
        return (
            torch.cuda.get_device_name() if self._place.type == "cuda" else f"cpu ({torch.get_num_threads()} threads)"
        )

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield the vectors of `texts`, longest first; texts that fail are told at the end, after all the others.

        Raises
        ------
        EncodingError
            Some texts are too long or gave vectors that are not finite.
        """
        problems = Problems()
        ids = self._model.tokenizer.ids(texts)
        lengths = np.array([len(one) for one in ids], dtype=np.int32)
        fitting = problems.sort_out_lengths(texts, lengths, self.space.max_tokens)
        for batch in length_batches(lengths[fitting], self._batch_tokens):
            rows = fitting[batch]
            vectors = self._run([ids[row] for row in rows]).cpu().numpy()
            kept = problems.sort_out_values(texts, rows, vectors)
            yield EncodedBatch(rows=rows[kept], vectors=vectors[kept], n_tokens=lengths[rows[kept]])
        problems.raise_if_any()

    @torch.inference_mode()
    def _run(self, ids: Sequence[npt.NDArray[np.int32]]) -> Float[Tensor, "row dim"]:
        """Return the vectors of one padded batch."""
        padded = torch.zeros(len(ids), max(map(len, ids)), dtype=torch.int64)
        real = torch.zeros(padded.shape, dtype=torch.bool)
        for row, one in enumerate(ids):
            padded[row, : len(one)] = torch.from_numpy(one)
            real[row, : len(one)] = True
        padded, real = padded.to(self._place), real.to(self._place)
        last = self.space.layer == -1
        states = self._network(input_ids=padded, attention_mask=real.long(), output_hidden_states=not last)
        hidden = states.last_hidden_state if last else states.hidden_states[self.space.layer]
        vectors = pool(hidden, real, self.space.pooling)
        return torch.nn.functional.normalize(vectors, dim=1) if self.space.normalise else vectors


def load_encoder(model: Model, *, batch_tokens: int | None = None) -> TransformerEncoder:
    """Return the encoder of `model`, its weights loaded.

    Parameters
    ----------
    batch_tokens
        Token budget of one batch, padding included; by default one that suits the device.
    """
    return TransformerEncoder(model, load_weights(model), batch_tokens or _BATCH_TOKENS[model.device])
