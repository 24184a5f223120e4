"""The OpenAI embeddings API over HTTP: who answers, and one request with its retries."""

import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import requests

from genesem_embed.errors import EncodingError, ModelUnavailableError

_TRIES = 6
_TIMEOUT = 300.0
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 30.0
_REFUSALS = (400, 413, 422)
# What a server says of its model that tells it from another; times and permissions change at every start.
_IDENTITY = ("id", "root", "owned_by", "max_model_len")
_IDENTITY_TEI = ("model_id", "model_sha", "model_dtype", "max_input_length", "auto_truncate")


class Refused(Exception):
    """The server will not encode these texts, however often it is asked."""


class Server:
    """A server at one address, and the model that it runs."""

    def __init__(self, endpoint: str, model: str | None) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("OPENAI_API_KEY")) else {}
        self.identity = self._identify(model)
        self.model = str(self.identity["id"])

    def embed(self, texts: Sequence[str]) -> tuple[npt.NDArray[np.float32], int]:
        """Return the vectors of `texts` and the tokens that the server counted in all.

        Raises
        ------
        Refused
            The server finds fault with the texts.
        EncodingError
            It keeps failing, or answers something else than vectors.
        """
        body = {"model": self.model, "input": list(texts), "encoding_format": "float"}
        found = self._post(body)
        try:
            rows = sorted(found["data"], key=lambda entry: entry["index"])
            vectors = np.asarray([entry["embedding"] for entry in rows], dtype=np.float32)
            complete = [entry["index"] for entry in rows] == list(range(len(texts)))
            named, n_tokens = found.get("model", self.model), int(found.get("usage", {}).get("prompt_tokens", 0))
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{self.endpoint} gave no embeddings ({type(error).__name__}: {error}); expected the OpenAI format"
            raise EncodingError(msg) from None
        if not complete or named != self.model:
            msg = f"{self.endpoint} answered for {len(rows)} texts by {named}; asked were {len(texts)} by {self.model}"
            raise EncodingError(msg)
        return vectors, n_tokens

    def _post(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to one request, asked again after faults that may pass."""
        why = ""
        for attempt in range(_TRIES):
            pause = min(_FIRST_PAUSE * 2**attempt, _LONGEST_PAUSE)
            try:
                answer = requests.post(
                    f"{self.endpoint}/embeddings", json=body, headers=self._headers, timeout=_TIMEOUT
                )
                if answer.status_code in _REFUSALS:
                    raise Refused(f"{answer.status_code} {answer.text[:200]}")  # noqa: EM102
                if answer.ok:
                    found: dict[str, Any] = answer.json()
                    return found
                why = f"status {answer.status_code} {answer.text[:100]}"
                if answer.status_code < 500 and answer.status_code not in (408, 429):
                    break
                pause = _retry_after(answer, pause)
            except (requests.RequestException, ValueError) as error:
                why = f"{type(error).__name__}: {error}"
            if attempt < _TRIES - 1:
                time.sleep(pause)
        msg = f"{self.endpoint} does not answer ({why}); what is finished is kept: run the command again to go on"
        raise EncodingError(msg)

    def _identify(self, model: str | None) -> dict[str, Any]:
        """Return what the server says about the model."""
        entries = {str(entry.get("id")): entry for entry in self._get(f"{self.endpoint}/models").get("data", [])}
        told = self._get(f"{self.endpoint.removesuffix('/v1')}/info", optional=True)
        if told.get("model_id") and not entries:
            entries = {str(told["model_id"]): {"id": told["model_id"]}}
        chosen = model or (next(iter(entries)) if len(entries) == 1 else None)
        if chosen is None or chosen not in entries:
            msg = f"{self.endpoint} does not run the model {chosen}; it runs {', '.join(entries) or 'none'}: name one"
            raise ModelUnavailableError(msg)
        found = {key: entries[chosen][key] for key in _IDENTITY if entries[chosen].get(key) is not None}
        found |= {key: told[key] for key in _IDENTITY_TEI if told.get(key) is not None}
        return found | _pooling_of(told.get("model_type"))

    def _get(self, url: str, *, optional: bool = False) -> dict[str, Any]:
        try:
            answer = requests.get(url, headers=self._headers, timeout=30)
            if answer.status_code == 404:
                return {}
            answer.raise_for_status()
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            if optional:
                return {}
            msg = f"the server at {url} cannot be asked ({type(error).__name__}); check --endpoint, such as http://localhost:8000/v1"
            raise ModelUnavailableError(msg) from None
        return found if isinstance(found, dict) else {}


def _pooling_of(model_type: object) -> dict[str, str]:
    """Return how text-embeddings-inference says that it pools: ``{"embedding": {"pooling": "mean"}}``."""
    embedding = model_type.get("embedding") if isinstance(model_type, dict) else None
    pooling = embedding.get("pooling") if isinstance(embedding, dict) else None
    return {"pooling": str(pooling)} if pooling else {}


def _retry_after(answer: requests.Response, usual: float) -> float:
    """Return the seconds that the server asks to wait, within reason."""
    try:
        return min(float(answer.headers["Retry-After"]), _LONGEST_PAUSE)
    except (KeyError, ValueError):
        return usual
