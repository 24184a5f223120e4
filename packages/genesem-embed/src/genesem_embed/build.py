"""Slide to store, on one page: slide, prompts, texts, keys, the missing ones, vectors, segments, collection.

Nothing here imports torch; the encoder does, and it is loaded only when a text has no vector yet.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from anndata import AnnData

from genesem_embed.datasets import fingerprint
from genesem_embed.encoders.problems import texts_failed
from genesem_embed.encoders.protocol import Described, Encoder, Publishing, Telling
from genesem_embed.errors import FailedText, InterruptedBuildError, TextsFailedError
from genesem_embed.segments import OnProgress, SegmentWriter
from genesem_embed.store import CollectionInfo, Store, text_keys
from genesem_embed.texts import Prompts, RecipeOptions, make_prompts

SEGMENT_ROWS = 4096
"""Vectors a segment: what a crash can cost at most."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """What a build has to do: the texts of a slide, their keys, and which of them have no vector yet."""

    slide: dict[str, object]
    prompts: Prompts
    texts: list[str]
    keys: npt.NDArray[np.uint8]
    todo: npt.NDArray[np.intp]
    """Positions in `texts`, one for each distinct key that the store lacks."""
    n_unique: int


@dataclass(frozen=True, kw_only=True)
class BuildReport:
    """What a build found and did; the command line prints it."""

    dataset: str
    recipe: str
    space: str
    n_ids: int
    n_unique: int
    n_stored: int
    n_encoded: int
    n_elsewhere: int
    """Texts whose vectors another build published while this one ran."""
    n_left: int
    n_tokens_left: int | None
    """Tokens still to run; counted by a dry run only."""
    seconds: float
    collection: str | None
    digest: str | None
    notes: dict[str, object]
    encoder: dict[str, object]
    """What the encoder ran on and how it computed; empty where nothing was encoded."""

    def to_json(self) -> dict[str, object]:
        """Return the report as plain JSON values."""
        return asdict(self)


def plan(slide: AnnData, recipe: str, options: RecipeOptions, model: Described, store: Store | None) -> Work:
    """Return the texts of `slide` and which of them `store` lacks; without a store, all of them are missing."""
    prompts = make_prompts(slide, recipe, options=options)
    texts = [model.render(prompts.system, user) for user in prompts.users]
    keys = text_keys(model.space.id, texts)
    _, first = np.unique(keys.view("V32").ravel(), return_index=True)
    first.sort()
    todo = first if store is None else first[store.missing(keys[first])]
    facts = {
        "name": slide.uns["genesem"]["name"],
        "fingerprint": fingerprint(slide),
        "n_spots": int(slide.n_obs),
        "n_genes": int(slide.n_vars),
    }
    return Work(slide=facts, prompts=prompts, texts=texts, keys=keys, todo=todo, n_unique=len(first))


def dry_run(work: Work, model: Described) -> BuildReport:
    """Return what a build would do, tokens included, having written nothing."""
    tokens = int(model.count_tokens([work.texts[row] for row in work.todo]).sum())
    return _report(work, model, n_left=len(work.todo), n_tokens_left=tokens)


def build(
    slide: AnnData,
    recipe: str,
    options: RecipeOptions,
    model: Described,
    store: Store,
    *,
    load_encoder: Callable[[Any], Encoder],
    limit: int | None = None,
    on_start: OnProgress = lambda texts, tokens: None,
    on_batch: OnProgress = lambda texts, tokens: None,
) -> BuildReport:
    """Return what was encoded and published for `slide`.

    Texts with a stored vector are not encoded again, whoever published them, even while this build runs. Vectors are
    published every `SEGMENT_ROWS` rows, and the collection last, so a build that stops half way loses nothing.

    Parameters
    ----------
    load_encoder
        Gives the encoder of `model`; called only if a text has no vector.
    limit
        Encode at most so many texts, publish them, and leave the collection for a later build.
    on_start, on_batch
        Told the texts and tokens to do (tokens are 0 while unknown), then those of every batch done.

    Raises
    ------
    TextsFailedError
        Some texts could not be encoded; all others are published.
    InterruptedBuildError
        On Ctrl-C or SIGTERM, once the finished vectors are published.
    """
    begun = time.perf_counter()
    work = plan(slide, recipe, options, model, store)
    todo = work.todo[:limit]
    n_encoded, facts = 0, dict[str, object]()
    if len(todo):
        on_start(len(todo), 0)
        encoder = load_encoder(model)
        n_encoded = _encode(work, _by_text(work, todo), encoder, store, on_batch)
        facts = {"device": encoder.device, **(encoder.facts if isinstance(encoder, Telling) else {})}
    done = len(todo) == len(work.todo)
    n_left = 0 if done else len(_missing(work, work.todo, store))
    collection = _publish_collection(work, model, store) if done else None
    seconds = time.perf_counter() - begun
    return _report(
        work,
        model,
        n_encoded=n_encoded,
        n_elsewhere=len(todo) - n_encoded,
        n_left=n_left,
        collection=collection,
        seconds=seconds,
        encoder=facts,
    )


def _by_text(work: Work, rows: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
    """Return `rows` in the order of their texts: what begins alike comes into one segment and is computed once."""
    return np.asarray(sorted(rows.tolist(), key=work.texts.__getitem__), dtype=np.intp)


def _encode(work: Work, todo: npt.NDArray[np.intp], encoder: Encoder, store: Store, on_batch: OnProgress) -> int:
    """Return how many texts were encoded; a segment is written while the next one is computed."""
    if isinstance(encoder, Publishing) and encoder.publishes_into(store):
        return _encode_elsewhere(work, _missing(work, todo, store), encoder, store, on_batch)
    chunks = [todo[start : start + SEGMENT_ROWS] for start in range(0, len(todo), SEGMENT_ROWS)]
    n_encoded, failed = 0, list[FailedText]()
    writing: Future[None] | None = None
    rows = _missing(work, chunks[0], store)
    with ThreadPoolExecutor(max_workers=1) as writer:
        for after in [*chunks[1:], None]:
            segment = SegmentWriter(work.keys[rows], [work.texts[row] for row in rows], encoder, store)
            try:
                segment.fill(on_batch)
            except TextsFailedError as error:
                failed += _named(work, rows, error.failed)
            except BaseException as error:
                _finish(writing)
                segment.publish()
                if isinstance(error, KeyboardInterrupt):
                    raise _interrupted(n_encoded + segment.n_done, len(todo)) from None
                raise
            n_encoded += segment.n_done
            # One thread uses the store at a time: it is asked while the writer rests.
            _finish(writing)
            rows = rows[:0] if after is None else _missing(work, after, store)
            writing = writer.submit(segment.publish)
        _finish(writing)
    if failed:
        raise texts_failed(failed)
    return n_encoded


def _encode_elsewhere(
    work: Work, rows: npt.NDArray[np.intp], encoder: Publishing, store: Store, on_batch: OnProgress
) -> int:
    """Return how many texts the encoder's workers encoded; they publish their own segments."""
    n_encoded = 0
    try:
        for n_texts, n_tokens in encoder.publish(store, work.keys[rows], [work.texts[row] for row in rows]):
            n_encoded += n_texts
            on_batch(n_texts, n_tokens)
    except TextsFailedError as error:
        raise texts_failed(_named(work, rows, error.failed)) from None
    except KeyboardInterrupt:
        raise _interrupted(n_encoded, len(rows)) from None
    return n_encoded


def _missing(work: Work, rows: npt.NDArray[np.intp], store: Store) -> npt.NDArray[np.intp]:
    """Return those of `rows` that still have no vector, whoever wrote meanwhile."""
    return rows[store.missing(work.keys[rows])]


def _finish(writing: Future[None] | None) -> None:
    if writing is not None:
        writing.result()


def _named(work: Work, rows: npt.NDArray[np.intp], failed: Sequence[FailedText]) -> list[FailedText]:
    """Return failed texts under the names of their spots, cells or genes."""
    places = [int(rows[one.row]) for one in failed]
    return [
        replace(one, row=place, name=f"{work.prompts.unit} {work.prompts.ids[place]}")
        for one, place in zip(failed, places, strict=True)
    ]


def _interrupted(n_done: int, n_asked: int) -> InterruptedBuildError:
    msg = (
        f"interrupted after {n_done} of {n_asked} texts; every finished vector is in the store: run the same command "
        "again to go on"
    )
    return InterruptedBuildError(msg)


def _publish_collection(work: Work, model: Described, store: Store) -> CollectionInfo:
    """Return the collection of this work; one that is there already is left alone, so a full store may be read-only."""
    name = f"{work.slide['name']}.{work.prompts.recipe['name']}"
    for info in store.find_collections(recipe=work.prompts.recipe["name"], space=model.space.id):
        same = (info.name, info.recipe, info.slide, info.notes)
        if same == (name, work.prompts.recipe, work.slide, work.prompts.notes) and (
            store.ids(info) == work.prompts.ids and np.array_equal(store.keys(info), work.keys)
        ):
            return info
    return store.publish_collection(
        name=name,
        unit=work.prompts.unit,
        recipe=work.prompts.recipe,
        space_id=model.space.id,
        slide=work.slide,
        ids=work.prompts.ids,
        keys=work.keys,
        notes=work.prompts.notes,
    )


def _report(
    work: Work,
    model: Described,
    *,
    n_encoded: int = 0,
    n_elsewhere: int = 0,
    n_left: int,
    n_tokens_left: int | None = None,
    collection: CollectionInfo | None = None,
    seconds: float = 0.0,
    encoder: Mapping[str, object] | None = None,
) -> BuildReport:
    return BuildReport(
        dataset=str(work.slide["name"]),
        recipe=str(work.prompts.recipe["name"]),
        space=model.space.id,
        n_ids=len(work.texts),
        n_unique=work.n_unique,
        n_stored=work.n_unique - len(work.todo),
        n_encoded=n_encoded,
        n_elsewhere=n_elsewhere,
        n_left=n_left,
        n_tokens_left=n_tokens_left,
        seconds=round(seconds, 3),
        collection=collection.name if collection else None,
        digest=collection.digest if collection else None,
        notes=dict(work.prompts.notes),
        encoder=dict(encoder or {}),
    )
