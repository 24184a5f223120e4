"""The one encoder for every Hugging Face model on this machine: texts in, pooled float32 vectors out."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from genesem_embed.encoders.learned import keep_tokens, learned_tokens
from genesem_embed.encoders.linear import use_fastest_products
from genesem_embed.encoders.memory import Budget
from genesem_embed.encoders.model import Model
from genesem_embed.encoders.packing import Ids
from genesem_embed.encoders.parallel import run_everywhere
from genesem_embed.encoders.problems import Problems
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.encoders.runners import Runner, choose_runner
from genesem_embed.encoders.tokens import Tokens
from genesem_embed.encoders.weights import load_networks
from genesem_embed.errors import ModelUnavailableError
from genesem_embed.store.space import Space

_BATCH_TOKENS = {"cpu": 2048, "cuda": 32_768}
# Texts that are sorted together; those of the next window are tokenised while this one runs.
_WINDOW = 8192
# Texts of the first batch that are run again alone, to measure what batching moves.
_MEASURED = 4


class TransformerEncoder:
    """Runs a model's network over texts; `load_encoder` makes one."""

    def __init__(self, model: Model, runners: Sequence[Runner], batch_tokens: int, *, products: str = "torch") -> None:
        self._model = model
        self._runners = runners
        self._products = products
        self._budget = Budget(batch_tokens, lambda tokens: keep_tokens(model.space.id, self.device, tokens))
        self._first_budget = batch_tokens
        self._end_token = _end_token(model)
        self._exactness: dict[str, float] = {}

    @property
    def space(self) -> Space:
        """The space of the vectors."""
        return self._model.space

    @property
    def device(self) -> str:
        """What it runs on."""
        return device_name(self._model, len(self._runners))

    @property
    def facts(self) -> dict[str, object]:
        """How the vectors were computed, for provenance and the report of a build."""
        found: dict[str, object] = {
            "attention": self._runners[0].attention,
            "products": self._products,
            "batch_tokens": self.batch_tokens,
        }
        if self.batch_tokens < self._first_budget:
            found["memory_ran_out"] = True
        if self._exactness:
            found["exactness"] = dict(self._exactness)
        return found

    @property
    def exactness(self) -> dict[str, float]:
        """How far some vectors of a batch were from those of their texts alone: lowest cosine, largest difference."""
        return dict(self._exactness)

    @property
    def batch_tokens(self) -> int:
        """The token budget of a batch, as far as memory has taught it."""
        return self._budget.tokens

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield the vectors of `texts`; those that fail are told at the end, after all the others.

        Raises
        ------
        EncodingError
            Some texts are too long, do not fit in memory, or gave vectors that are not finite.
        """
        problems = Problems()
        starts = range(0, len(texts), _WINDOW)
        with ThreadPoolExecutor(max_workers=1) as background:
            ahead = [background.submit(self._tokenise, texts[start : start + _WINDOW]) for start in starts[:1]]
            for start, after in zip(starts, [*starts[1:], None], strict=False):
                tokens = ahead.pop().result()
                if after is not None:
                    ahead.append(background.submit(self._tokenise, texts[after : after + _WINDOW]))
                yield from self._encode_window(texts, start, tokens, problems)
        problems.raise_if_any()

    def _tokenise(self, texts: Sequence[str]) -> Tokens:
        return self._model.tokenizer.tokenise(texts)

    def _encode_window(
        self, texts: Sequence[str], start: int, tokens: Tokens, problems: Problems
    ) -> Iterator[EncodedBatch]:
        """Yield the vectors of the texts from `start` on, whose tokens are `tokens`."""
        rows = np.fromiter(self._runnable(texts, start, tokens, problems), dtype=np.intp)
        ids = [tokens.ids[row] for row in rows.tolist()]
        sample: tuple[npt.NDArray[np.intp], Float[np.ndarray, "text dim"]] | None = None
        for batch, found in run_everywhere(self._runners, ids, tokens.spans[rows], self._budget):
            asked = start + rows[batch]
            if found is None:
                problems.add(int(asked[0]), texts[int(asked[0])], "does not fit in memory")
                continue
            vectors = self._finish(found)
            if sample is None and not self._exactness and len(batch) > 1:
                sample = batch[:_MEASURED], vectors[:_MEASURED]
                if len(self._runners) == 1:  # several are at work now: they are waited for
                    self._measure(ids, tokens.spans[rows], *sample)
            finite = problems.storable(asked, texts, vectors, self.space.precision)
            kept = batch[finite]
            yield EncodedBatch(rows=start + rows[kept], vectors=vectors[finite], n_tokens=tokens.lengths[rows[kept]])
        if sample is not None and not self._exactness:
            self._measure(ids, tokens.spans[rows], *sample)

    def _measure(
        self,
        ids: Sequence[Ids],
        spans: npt.NDArray[np.int64],
        batch: npt.NDArray[np.intp],
        together: Float[np.ndarray, "text dim"],
    ) -> None:
        """Compare vectors of a `batch` with those of the same texts one at a time."""
        parts = []
        for row in batch.tolist():
            self._runners[0].forget()
            parts.append(self._finish(self._runners[0].run([ids[row]], spans[row : row + 1])))
        alone = np.concatenate(parts)
        lengths = np.linalg.norm(alone, axis=1) * np.linalg.norm(together, axis=1)
        cosine = (alone * together).sum(axis=1) / np.maximum(lengths, np.finfo(np.float32).tiny)
        self._exactness = {
            "n_texts": float(len(batch)),
            "lowest_cosine": float(cosine.min()),
            "largest_difference": float(np.abs(alone - together).max()),
        }

    def _runnable(self, texts: Sequence[str], start: int, tokens: Tokens, problems: Problems) -> Iterator[int]:
        """Yield the texts that can be run, and note why the others cannot."""
        for row in range(len(tokens.ids)):
            if problem := self._problem(tokens, row):
                problems.add(start + row, texts[start + row], problem)
            else:
                yield row

    def _problem(self, tokens: Tokens, row: int) -> str | None:
        """Return why a text cannot be run, if it cannot."""
        length, most = len(tokens.ids[row]), self.space.max_tokens
        if length > most:
            return f"has {length} tokens, more than the {most} of this space"
        if tokens.spans[row, 1] <= tokens.spans[row, 0]:
            return "has no tokens to pool"
        if self._end_token is not None and tokens.ids[row][-1] != self._end_token:
            return f"ends with the token {tokens.ids[row][-1]}, not with the model's end token {self._end_token}"
        return None

    def _finish(self, vectors: Float[Tensor, "text dim"]) -> Float[np.ndarray, "text dim"]:
        if self.space.normalise:
            vectors = torch.nn.functional.normalize(vectors, dim=1)
        return vectors.cpu().numpy()


def load_encoder(model: Model, *, batch_tokens: int | None = None) -> TransformerEncoder:
    """Return the encoder of `model`, its weights loaded.

    Parameters
    ----------
    batch_tokens
        Token budget of one batch; by default what an earlier run that was short of memory came to, else one that
        suits the device.
    """
    networks = load_networks(model)
    products = [use_fastest_products(network) for network in networks][0]
    runners = [choose_runner(network, model.space) for network in networks]
    learned = learned_tokens(model.space.id, device_name(model, len(runners)))
    return TransformerEncoder(model, runners, batch_tokens or learned or _BATCH_TOKENS[model.device], products=products)


def device_name(model: Model, n_copies: int) -> str:
    """Return what `n_copies` of the model run on."""
    if model.device == "cuda":
        return f"{n_copies} x {torch.cuda.get_device_name()}"
    return f"cpu ({torch.get_num_threads()} threads)"


def _end_token(model: Model) -> int | None:
    """Return the token that every text of a last-token embedding model has to end with."""
    if model.space.style != "instruct" or model.space.pooling != "last":
        return None
    found = model.tokenizer.end_token
    if found is None:
        msg = (
            f"the tokenizer of {model.name} puts no end token after a text, but the model pools its last token: "
            "download tokenizer.json again, as the model's authors publish it"
        )
        raise ModelUnavailableError(msg)
    return found
