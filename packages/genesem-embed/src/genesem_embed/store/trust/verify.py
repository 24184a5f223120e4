"""Checking a whole store: presence and size, hashes, structure, and that everything named is there."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genesem_embed.errors import GenesemError
from genesem_embed.store.files.canonical import is_digest
from genesem_embed.store.files.collection import read_collection
from genesem_embed.store.files.layout import (
    COLLECTIONS,
    FOLDERS,
    INDEX,
    REFS,
    SEGMENTS,
    SPACES,
    STORE_FILE,
    TMP,
    is_name,
    store_json,
)
from genesem_embed.store.files.locks import is_in_use
from genesem_embed.store.files.manifest import MANIFEST
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.keys import Keys, as_bytes32
from genesem_embed.store.sharing.quarantine import LOCK
from genesem_embed.store.sharing.refs import parse_ref
from genesem_embed.store.trust import segment_check
from genesem_embed.store.trust.conflicts import Conflict, conflict_facts, find_conflicts
from genesem_embed.store.trust.orphans import leftovers, unreached, unused_spaces

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is not as it was published."""

    place: str
    what: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What `verify` looked at and found."""

    quick: bool
    n_segments: int
    n_vectors: int
    n_collections: int
    n_bytes: int
    problems: tuple[Problem, ...]
    conflicts: tuple[Conflict, ...]
    """Keys that are stored with different vectors; not a fault, the lowest row hash is read."""
    notes: tuple[Problem, ...] = ()
    """What is sound and nothing needs, so that `gc` would remove it once it is old; not a fault."""

    @property
    def ok(self) -> bool:
        """Whether nothing is damaged or missing."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {**asdict(self), "conflicts": conflict_facts(self.conflicts), "ok": self.ok}


def verify(store: "Store", *, quick: bool) -> Report:
    """Return what is wrong with `store`; quick looks at presence and size only, else every byte is hashed."""
    problems = [*_strangers(store.root), *_spaces(store)]
    sound: list[Segment] = []
    for digest in store.segment_digests():
        folder = store.root / SEGMENTS / digest
        found = list(_segment(folder, store, quick=quick))
        if found and not folder.exists():  # compacted, and taken by `gc` meanwhile
            continue
        problems += [Problem(place=f"{SEGMENTS}/{digest}", what=what) for what in found]
        sound += [] if found else [Segment(folder)]
    problems += [*_collections(store, sound, quick=quick), *_refs(store)]
    if not quick and not problems:
        problems += _index(store, sound)
    notes = [] if problems else list(_orphans(store, quick=quick))
    return Report(
        quick=quick,
        n_segments=len(sound),
        n_vectors=sum(segment.manifest.rows for segment in sound),
        n_collections=len(list((store.root / COLLECTIONS).glob("*/*.json"))),
        n_bytes=sum(segment.manifest.size for segment in sound),
        problems=tuple(problems),
        conflicts=() if quick else tuple(find_conflicts(sound)),
        notes=tuple(notes),
    )


def _strangers(root: Path) -> Iterator[Problem]:
    """Yield what does not belong into a store, and a ``store.json`` that is not the one that was written."""
    if (root / STORE_FILE).read_bytes() != store_json():
        yield Problem(place=STORE_FILE, what="is not as it was written")
    known = {STORE_FILE, INDEX, f"{INDEX}.wal", TMP, *FOLDERS}
    named = {
        SPACES: ("*", ".json", is_digest),
        SEGMENTS: ("*", "", is_digest),
        COLLECTIONS: ("*/*", ".json .parquet", is_digest),
        REFS: ("*", ".json", is_name),
    }
    for path in sorted(root.iterdir()):
        if path.name not in known or path.is_symlink():
            yield Problem(place=path.name, what="does not belong into a store")
    for folder, (pattern, suffixes, is_right) in named.items():
        for path in sorted((root / folder).glob(pattern)):
            if not is_right(path.stem) or path.suffix not in suffixes.split(" ") or path.is_symlink():
                yield Problem(place=path.relative_to(root).as_posix(), what="does not belong into a store")


def _spaces(store: "Store") -> Iterator[Problem]:
    for path in sorted((store.root / SPACES).glob("*.json")):
        try:
            store.read_space(path.stem)
        except GenesemError as error:
            yield Problem(place=f"{SPACES}/{path.name}", what=str(error))


def _segment(folder: Path, store: "Store", *, quick: bool) -> Iterator[str]:
    try:
        segment = Segment(folder)
        segment.provenance()
        space = store.read_space(segment.manifest.space)
        if (space.dim, space.precision) != (segment.manifest.dim, segment.manifest.dtype):
            yield f"holds {segment.manifest.dtype} of dimension {segment.manifest.dim}, unlike its space"
        yield from segment_check.stranger_files(folder)
        if not quick:
            changed = list(segment_check.changed_files(segment))
            yield from changed
            yield from [] if changed else segment_check.broken_promises(segment)
    except (GenesemError, OSError) as error:
        yield str(error)


def _collections(store: "Store", segments: list[Segment], *, quick: bool) -> Iterator[Problem]:
    stored = np.sort(np.concatenate([np.empty(0, "V32"), *(as_bytes32(s.keys.read()) for s in segments)]))
    for path in sorted((store.root / COLLECTIONS).glob("*/*.json")):
        place = path.relative_to(store.root).as_posix()
        try:
            info = read_collection(path, store.read_space)
            if info.name != path.parent.name:
                yield Problem(place=place, what=f"is called {info.name}, unlike its folder")
            keys = store.keys(info)
        except (GenesemError, OSError) as error:
            yield Problem(place=place, what=str(error))
            continue
        if not quick and (absent := count_absent(keys, stored)):
            yield Problem(place=place, what=f"{absent} of its {info.n} keys have no vector in a sound segment")


def _orphans(store: "Store", *, quick: bool) -> Iterator[Problem]:
    """Yield what nothing needs; which segments these are takes all keys, so quick leaves them out."""
    for digest in [] if quick else unreached(store):
        yield Problem(place=f"{SEGMENTS}/{digest}", what="no collection and no ref needs it")
    for path in (path for path in leftovers(store.root) if path.suffix != LOCK and not is_in_use(path)):
        table = path.suffix == ".parquet"
        what = "a table whose collection was never published" if table else "left by a crash"
        yield Problem(place=path.relative_to(store.root).as_posix(), what=what)
    for space_id in unused_spaces(store):
        yield Problem(place=f"{SPACES}/{space_id}.json", what="no segment and no collection belongs to it")


def _refs(store: "Store") -> Iterator[Problem]:
    """Yield refs that are damaged, or that list what is not here."""
    for path in sorted((store.root / REFS).glob("*.json")):
        place = f"{REFS}/{path.name}"
        try:
            ref = parse_ref(path.read_bytes(), path.stem, place)
        except GenesemError as error:
            yield Problem(place=place, what=str(error))
            continue
        listed = {
            SPACES: [f"{SPACES}/{digest}.json" for digest in ref.spaces],
            SEGMENTS: [f"{SEGMENTS}/{digest}/{MANIFEST}" for digest in ref.segments],
            COLLECTIONS: [f"{COLLECTIONS}/{digest}.json" for digest in ref.collections],
        }
        for what, names in listed.items():
            if absent := [name for name in names if not (store.root / name).is_file()]:
                yield Problem(place=place, what=f"lists {len(absent)} {what} that are missing, {absent[0]} first")


def count_absent(keys: Keys, stored: np.ndarray[Any, Any]) -> int:
    """Return how many of `keys` are not among the sorted `stored`."""
    wanted = as_bytes32(keys)
    at = np.searchsorted(stored, wanted)
    found = at < len(stored)
    found[found] = stored[at[found]] == wanted[found]
    return int((~found).sum())


def _index(store: "Store", segments: list[Segment]) -> Iterator[Problem]:
    for segment in segments:
        keys = segment.keys.read()
        if store.indexed_rows(segment.digest) != segment.manifest.rows or store.missing(keys).any():
            yield Problem(place=INDEX, what=f"does not hold segment {segment.digest[:12]}; remove it, it is made again")
