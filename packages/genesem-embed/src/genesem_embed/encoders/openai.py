"""Vectors from a server that speaks the OpenAI embeddings API: vLLM, text-embeddings-inference and their like."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from genesem_embed.encoders.chat import render_instruct
from genesem_embed.encoders.problems import Problems
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.encoders.server import Refused, Server
from genesem_embed.errors import EncodingError, InputError
from genesem_embed.store.space import Space, Style

_BATCH_TEXTS = 32
_UNLIMITED = 2**31
_CHARACTERS_A_TOKEN = 3.5


@dataclass(frozen=True, kw_only=True)
class RemoteModel:
    """A model that a server runs; what it is, the server says."""

    server: Server
    space: Space

    def render(self, system: str | None, user: str) -> str:
        """Return the text of a prompt: as a task and its query, or the bare user part."""
        return render_instruct(system, user) if self.space.style == "instruct" else user

    def count_tokens(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Return about how many tokens the texts have; only the server could count them."""
        return np.asarray([max(round(len(text) / _CHARACTERS_A_TOKEN), 1) for text in texts], dtype=np.int64)


def describe_server(
    endpoint: str, *, model: str | None = None, style: str = "auto", precision: str = "float16"
) -> RemoteModel:
    """Return what the server at `endpoint` runs and which space its vectors are in.

    Parameters
    ----------
    endpoint
        Where the API begins, such as ``http://localhost:8000/v1``; a key is taken from ``$OPENAI_API_KEY``.
    model
        Its name there; may be left out where the server runs a single one.

    Raises
    ------
    ModelUnavailableError
        The server cannot be reached, or does not run the model.
    """
    if style not in ("auto", "instruct", "plain"):
        msg = f"unknown style {style!r} for a server; expected auto, instruct or plain"
        raise InputError(msg)
    server = Server(endpoint, model)
    (probe,), _ = server.embed(["probe"])
    form: Style = "plain" if style == "plain" else "instruct"
    space = Space(
        model=server.model,
        revision=str(server.identity.get("model_sha") or ""),
        weights_sha256=(),
        tokenizer_sha256="",
        style=form,
        pooling="mean" if server.identity.get("pooling") == "mean" else "last",
        normalise=False,
        compute_dtype="float32",
        max_tokens=int(server.identity.get("max_model_len") or server.identity.get("max_input_length") or _UNLIMITED),
        truncation="end" if server.identity.get("auto_truncate") else "error",
        precision=precision,  # type: ignore[arg-type]
        dim=len(probe),
        engine="openai",
        extra={"server": server.identity},
    )
    return RemoteModel(server=server, space=space)


class ServerEncoder:
    """Sends texts to a server, several requests at a time.

    Parameters
    ----------
    concurrency
        Requests under way at once.
    """

    def __init__(self, model: RemoteModel, *, concurrency: int = 8) -> None:
        self._model = model
        self._concurrency = concurrency

    @property
    def space(self) -> Space:
        """The space of the vectors."""
        return self._model.space

    @property
    def device(self) -> str:
        """Where the server is."""
        return f"server at {self._model.server.endpoint}"

    def encode(self, texts: Sequence[str]) -> Iterator[EncodedBatch]:
        """Yield the vectors as the answers come; texts that the server refuses are told at the end.

        Raises
        ------
        EncodingError
            The server refused some texts, or answered something else than finite vectors of the space.
        """
        problems = Problems()
        waiting = [list(range(at, min(at + _BATCH_TEXTS, len(texts)))) for at in range(0, len(texts), _BATCH_TEXTS)]
        waiting.reverse()
        running: dict[Future[tuple[npt.NDArray[np.float32], int]], list[int]] = {}
        threads = ThreadPoolExecutor(max_workers=self._concurrency)
        try:
            while waiting or running:
                while waiting and len(running) < self._concurrency:
                    rows = waiting.pop()
                    running[threads.submit(self._model.server.embed, [texts[row] for row in rows])] = rows
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    rows = running.pop(future)
                    try:
                        vectors, n_tokens = future.result()
                    except Refused as error:
                        waiting += _split(rows, texts, str(error), problems)
                    else:
                        yield self._checked(rows, texts, vectors, n_tokens, problems)
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
        problems.raise_if_any()

    def _checked(
        self,
        rows: list[int],
        texts: Sequence[str],
        vectors: npt.NDArray[np.float32],
        n_tokens: int,
        problems: Problems,
    ) -> EncodedBatch:
        """Return the batch without the vectors that cannot be stored."""
        if vectors.shape != (len(rows), self.space.dim):
            msg = f"the server gave vectors of shape {vectors.shape}, expected {(len(rows), self.space.dim)}"
            raise EncodingError(msg)
        finite = problems.storable(np.asarray(rows), texts, vectors, self.space.precision)
        # The server counts the tokens of a request; a text's share follows its length.
        sizes = np.asarray([max(len(texts[row]), 1) for row in rows])
        shares = np.maximum(np.rint(n_tokens * sizes / sizes.sum()), 1).astype(np.int32)
        return EncodedBatch(rows=np.asarray(rows)[finite], vectors=vectors[finite], n_tokens=shares[finite])


def _split(rows: list[int], texts: Sequence[str], why: str, problems: Problems) -> list[list[int]]:
    """Return the halves of a refused request, so that one bad text does not lose the others."""
    if len(rows) == 1:
        problems.add(rows[0], texts[rows[0]], f"was refused by the server: {why}")
        return []
    middle = len(rows) // 2
    return [rows[middle:], rows[:middle]]
