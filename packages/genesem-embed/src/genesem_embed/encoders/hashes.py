"""SHA-256 of large files, remembered by path, size and time of change."""

import contextlib
import hashlib
import json
import os
from pathlib import Path

from genesem_embed.folders import cache_dir


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of the file's bytes; a file that has not changed since is not read again."""
    real = path.resolve()
    stat = real.stat()
    stamp = [str(real), stat.st_size, stat.st_mtime_ns]
    memo = cache_dir() / "file-hashes" / f"{hashlib.sha256(str(real).encode()).hexdigest()}.json"
    with contextlib.suppress(OSError, ValueError, TypeError):
        *known, digest = json.loads(memo.read_text("utf-8"))
        if known == stamp:
            return str(digest)
    with real.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with contextlib.suppress(OSError):  # a cache that cannot be written only costs time
        _write(memo, [*stamp, digest])
    return digest


def _write(memo: Path, value: list[object]) -> None:
    memo.parent.mkdir(parents=True, exist_ok=True)
    beside = memo.with_suffix(f".{os.getpid()}")
    beside.write_text(json.dumps(value), "utf-8")
    beside.replace(memo)
