"""Audit: encode a sample of the stored texts again: hashes prove that bytes are unchanged, this that they are right."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from genesem_embed.store.files.segment import Segment
from genesem_embed.store.files.texts_table import read_texts
from genesem_embed.store.keys import text_keys
from genesem_embed.store.space import Space
from genesem_embed.store.trust.conflicts import SUSPICIOUS_COSINE

if TYPE_CHECKING:
    from genesem_embed.store.store import Store

Encode = Callable[[Space, Sequence[str]], npt.NDArray[np.floating[Any]] | None]
"""Gives the vectors of some texts in a space, or None if the encoder of that space is not the one at hand."""


@dataclass(frozen=True, kw_only=True)
class SpaceAudit:
    """How far the stored vectors of a space are from newly encoded ones."""

    space: str
    model: str
    n_sampled: int
    lowest_cosine: float | None
    """None: the space was not audited, for its encoder was not at hand."""
    mean_cosine: float | None
    n_suspicious: int
    worst_text: str

    @property
    def ok(self) -> bool:
        """Whether every sampled vector agrees as well as batches and kernels allow."""
        return self.n_suspicious == 0

    def to_json(self) -> dict[str, Any]:
        """Return the facts as plain JSON values."""
        return asdict(self)


def audit(store: "Store", encode: Encode, sample: int = 32, seed: int = 0) -> list[SpaceAudit]:
    """Return one result per space: `sample` texts of it are encoded again and compared with what readers get."""
    return store.undisturbed(lambda: _audit(store, encode, sample, seed))


def _audit(store: "Store", encode: Encode, sample: int, seed: int) -> list[SpaceAudit]:
    rng = np.random.default_rng(seed)
    found = []
    for space in store.spaces().values():
        segments = store.segments()
        texts = _sample(rng, [segment for segment in segments if segment.manifest.space == space.id], sample)
        found.append(_compare(store, space, texts, encode(space, texts) if texts else None))
    return found


def _sample(rng: np.random.Generator, segments: Sequence[Segment], size: int) -> list[str]:
    """Return texts drawn evenly from all rows; only the segments that were hit are read."""
    rows = np.array([segment.manifest.rows for segment in segments], np.int64)
    drawn = np.sort(rng.choice(int(rows.sum()), min(size, int(rows.sum())), replace=False)).tolist()
    starts = np.concatenate([[0], np.cumsum(rows)])
    texts: list[str] = []
    for segment, start, end in zip(segments, starts[:-1], starts[1:], strict=True):
        if hit := [int(at - start) for at in drawn if start <= at < end]:
            every, _ = read_texts(segment.texts_path, segment.manifest.rows)
            texts += [every[row] for row in hit]
    return texts


def _compare(
    store: "Store", space: Space, texts: Sequence[str], again: npt.NDArray[np.floating[Any]] | None
) -> SpaceAudit:
    if again is None:
        return SpaceAudit(
            space=space.id,
            model=space.model,
            n_sampled=0,
            lowest_cosine=None,
            mean_cosine=None,
            n_suspicious=0,
            worst_text="",
        )
    stored = store.get(text_keys(space.id, texts)).astype(np.float64)
    new = np.asarray(again, np.float64)
    norms = np.linalg.norm(stored, axis=1) * np.linalg.norm(new, axis=1)
    cosines = (stored * new).sum(axis=1) / np.maximum(norms, np.finfo(np.float64).tiny)
    return SpaceAudit(
        space=space.id,
        model=space.model,
        n_sampled=len(texts),
        lowest_cosine=float(cosines.min()),
        mean_cosine=float(cosines.mean()),
        n_suspicious=int((~(cosines >= SUSPICIOUS_COSINE)).sum()),
        worst_text=texts[int(cosines.argmin())][:80],
    )
