"""Every promise of one segment, checked against its bytes; what a stranger sends passes here before it is published."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from genesem_embed.store.files.disk import hash_file
from genesem_embed.store.files.manifest import FILES, MANIFEST, PROVENANCE
from genesem_embed.store.files.segment import Segment
from genesem_embed.store.files.texts_table import read_checked_keys
from genesem_embed.store.keys import KEY_BYTES, Keys, as_bytes32, row_hashes

ROWS_AT_ONCE = 16_384
_WHOLE = FILES | {MANIFEST, PROVENANCE}


def stranger_files(folder: Path) -> Iterator[str]:
    """Yield what is in a segment's folder besides its files."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        inner = any(known.startswith(f"{name}/") for known in _WHOLE)
        if path.is_symlink() or not (path.is_dir() if inner else name in _WHOLE and path.is_file()):
            yield f"{name} does not belong into a segment"


def changed_files(segment: Segment) -> Iterator[str]:
    """Yield the files whose bytes are not the published ones; they are hashed in full."""
    for name, (_, sha256) in segment.manifest.files.items():
        found = hash_file(segment.folder / name)
        if found != sha256:
            yield f"{name} has the sha256 {found[:12]}, {sha256[:12]} was published"


def broken_promises(segment: Segment) -> Iterator[str]:
    """Yield where the content, though it has the right hash, is not what a segment must hold."""
    keys = segment.keys.read()
    if not _ascending(keys):
        yield "keys are not sorted, or repeat"
    row_sha = segment.row_sha.read()
    for start in range(0, segment.manifest.rows, ROWS_AT_ONCE):
        vectors = segment.vectors.read(start, start + ROWS_AT_ONCE)
        if not np.isfinite(vectors).all():
            yield "vectors hold NaN or infinite values"
        if not np.array_equal(row_hashes(vectors), row_sha[start : start + ROWS_AT_ONCE]):
            yield "row_sha are not the hashes of the vectors"
    facts = segment.manifest
    parts = read_checked_keys(segment.texts_path, facts.rows, facts.space)
    if not np.array_equal(np.concatenate([np.empty((0, KEY_BYTES), np.uint8), *parts]), keys):
        yield "texts are not in the row order of the vectors"


def _ascending(keys: Keys) -> bool:
    values = as_bytes32(keys)
    order = np.argsort(values, kind="stable")
    return bool((order == np.arange(len(keys))).all() and (values[1:] != values[:-1]).all())
