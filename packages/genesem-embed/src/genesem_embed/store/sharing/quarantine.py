"""Quarantine: where what comes from elsewhere lies until every promise of it has been checked."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from genesem_embed.errors import GenesemError, IntegrityError
from genesem_embed.store.files.canonical import sha256_hex
from genesem_embed.store.files.disk import hash_file, publish_folder, read_facts, staging, telling, write_file
from genesem_embed.store.files.layout import SEGMENTS, TMP
from genesem_embed.store.files.locks import lock as acquire
from genesem_embed.store.files.manifest import MANIFEST, MAX_MANIFEST_BYTES, PROVENANCE, Manifest, parse_manifest
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.sharing.source import Source, expecting
from genesem_embed.store.space import Space
from genesem_embed.store.trust.segment_check import broken_promises, changed_files, stranger_files

PULLED = "pull"
LOCK = ".lock"
MAX_PROVENANCE_BYTES = 1_000_000


@contextmanager
def quarantine(root: Path, digest: str) -> Iterator[Path]:
    """Give the folder where a segment is put together; it outlives a broken connection, so that the next try goes on.

    When another process is at work on the same segment, a folder of one's own is given instead; the first to finish
    publishes. What is found to be wrong is removed at once.
    """
    shared = root / TMP / PULLED / digest
    with telling(root):
        shared.parent.mkdir(parents=True, exist_ok=True)
        with shared.with_suffix(LOCK).open("wb") as lock:
            if acquire(lock.fileno()):
                shared.mkdir(exist_ok=True)
                with _emptied_if_refused(shared):
                    yield shared
                return
        with staging(root) as own:
            (own / digest).mkdir()
            yield own / digest


def fetch_manifest(source: Source, digest: str, folder: Path) -> Manifest:
    """Return the manifest of a segment, fetched into `folder` and found to be the one that the digest names."""
    what = f"{source.place}/{SEGMENTS}/{digest}/{MANIFEST}"
    path = folder / MANIFEST
    with expecting(source, f"{SEGMENTS}/{digest}/{MANIFEST}"):
        known = path.exists()
        data = path.read_bytes() if known else source.read(f"{SEGMENTS}/{digest}/{MANIFEST}", MAX_MANIFEST_BYTES)
    if sha256_hex(data) != digest:
        path.unlink(missing_ok=True)
        msg = f"{what} has another sha256 than its folder's name; the source is damaged or not honest"
        raise IntegrityError(msg)
    manifest = parse_manifest(data, what)
    if not path.exists():
        write_file(path, [data])
    return manifest


def fetch_file(source: Source, digest: str, name: str, manifest: Manifest, folder: Path) -> None:
    """Fetch one file of a segment; a leftover that turns out wrong is fetched once more from its start."""
    size, sha256 = manifest.files[name]
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    resumed = target.exists()
    if resumed and target.stat().st_size > size:
        target.unlink()
    with expecting(source, f"{SEGMENTS}/{digest}/{name}"):
        source.fetch(f"{SEGMENTS}/{digest}/{name}", target, size)
        if resumed and hash_file(target) != sha256:
            target.unlink()
            source.fetch(f"{SEGMENTS}/{digest}/{name}", target, size)
    found = read_facts(target)
    if (found.size, found.sha256) != (size, sha256):
        target.unlink()
        msg = f"{source.place}/{SEGMENTS}/{digest}/{name} does not have the sha256 of its manifest; it was not kept"
        raise IntegrityError(msg)


def fetch_segment(source: Source, digest: str, manifest: Manifest, folder: Path) -> None:
    """Fetch what `folder` still lacks of a segment."""
    for name in manifest.files:
        fetch_file(source, digest, name, manifest, folder)
    path = folder / PROVENANCE
    path.unlink(missing_ok=True)
    with expecting(source, f"{SEGMENTS}/{digest}/{PROVENANCE}"):
        write_file(path, [source.read(f"{SEGMENTS}/{digest}/{PROVENANCE}", MAX_PROVENANCE_BYTES)])


def release(folder: Path, space: Space, root: Path) -> Segment:
    """Publish the segment in quarantine, once nothing about it is found wrong."""
    for problem in problems(folder, space):
        msg = f"segment {folder.name[:12]} was refused: {problem}; nothing of it was published"
        raise IntegrityError(msg)
    publish_folder(folder, root / SEGMENTS / folder.name)
    return Segment(root / SEGMENTS / folder.name)


def problems(folder: Path, space: Space) -> Iterator[str]:
    """Yield what is wrong with a segment, cheapest checks first; stop early and nothing dear was read."""
    try:
        yield from stranger_files(folder)
        segment = Segment(folder)
        segment.provenance()
        facts = segment.manifest
        if (facts.space, facts.dim, facts.dtype) != (space.id, space.dim, space.precision):
            yield f"it holds {facts.dtype} of dimension {facts.dim}; its space has {space.precision} of {space.dim}"
        yield from changed_files(segment)
        yield from broken_promises(segment)
    except GenesemError as error:
        yield str(error)


@contextmanager
def _emptied_if_refused(folder: Path) -> Iterator[None]:
    try:
        yield
    except IntegrityError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
