"""Every promise of one segment, checked against its bytes; what a stranger sends passes here before it is published."""

from collections.abc import Iterator
from hashlib import file_digest
from pathlib import Path

import numpy as np

from genesem_embed.store import texts_table
from genesem_embed.store.keys import Keys, as_bytes32, row_hashes, text_keys
from genesem_embed.store.segment import FILES, MANIFEST, PROVENANCE, Segment

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
        with (segment.folder / name).open("rb") as file:
            found = file_digest(file, "sha256").hexdigest()
        if found != sha256:
            yield f"{name} has the sha256 {found[:12]}, {sha256[:12]} was published"


def broken_promises(segment: Segment) -> Iterator[str]:
    """Yield where the content, though it has the right hash, is not what a segment must hold."""
    keys = segment.keys.read()
    if not _ascending(keys):
        yield "keys are not sorted, or repeat"
    vectors = segment.vectors.read()
    if not np.isfinite(vectors).all():
        yield "vectors hold NaN or infinite values"
    if not np.array_equal(row_hashes(vectors), segment.row_sha.read()):
        yield "row_sha are not the hashes of the vectors"
    table = texts_table.read(segment.texts_path, segment.manifest.rows)
    if not np.array_equal(texts_table.keys_from_arrow(table.column("key")), keys):
        yield "texts are not in the row order of the vectors"
    elif not np.array_equal(text_keys(segment.manifest.space, table.column("text").to_pylist()), keys):
        yield "keys are not the hashes of the texts in this space"


def _ascending(keys: Keys) -> bool:
    values = as_bytes32(keys)
    order = np.argsort(values, kind="stable")
    return bool((order == np.arange(len(keys))).all() and (values[1:] != values[:-1]).all())
