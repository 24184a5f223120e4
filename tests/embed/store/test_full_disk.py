"""A disk that is really full and files that really may not grow: one line, nothing half published, then it goes on."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PRELUDE = '''
import importlib.util, os, sys
from pathlib import Path
import numpy as np
from genesem_embed.errors import StoreError
from genesem_embed.store import Store
from genesem_embed.store.sharing.archive import export_archive
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.source import FolderSource
from genesem_embed.store.upkeep.compact import compact

spec = importlib.util.spec_from_file_location("store_conftest", sys.argv[1])
conftest = importlib.util.module_from_spec(spec)
spec.loader.exec_module(conftest)
maker = conftest.Maker().in_space(dim=128)
home = Path(sys.argv[2])


def attempt(work, words):
    """Return whether the work was done; where it was not, one line must say why."""
    try:
        work()
    except StoreError as error:
        assert words in str(error) and "\\n" not in str(error), error
        return False
    return True


def check(store, numbers, quick=False):
    """Everything published so far is there and right, and nothing else is."""
    report = store.verify(quick=quick)
    assert report.ok, report.problems
    assert not [path for path in (store.root / "tmp").glob("*") if path.name not in ("pull", "gc", "gc.lock")]
    texts = maker.texts(*numbers)
    assert not store.missing(maker.keys(texts)).any()
    np.testing.assert_array_equal(store.get(maker.keys(texts)), maker.stored(texts))
'''

FULL = """
with Store.create(home / "elsewhere" / "source") as source:
    maker.publish(source, maker.texts(*range(5000, 5300)))
    maker.collect(source, maker.texts(*range(5000, 5300)), name="pulled")
store = Store.create(home / "small" / "store")
maker.publish(store, maker.texts(*range(300)))
maker.publish(store, maker.texts(*range(400, 420)))
filler, done, refused = home / "small" / "filler", list(range(300)), 0
for number in range(16):
    filler.unlink(missing_ok=True)
    stat = os.statvfs(filler.parent)
    free = stat.f_bavail * stat.f_frsize
    filler.write_bytes(b"x" * (free - 4096 * (1 + 2 * number)))  # so that every kind of write is the one that fails
    texts = maker.texts(*range(1000 * number + 10_000, 1000 * number + 10_200))

    def work():
        maker.publish(store, texts)
        maker.collect(store, texts, name=f"c{number}")

    if attempt(work, "the disk is full: free some space"):
        done += range(1000 * number + 10_000, 1000 * number + 10_200)
    else:
        refused += 1
    check(store, done, quick=True)
    if number == 0:
        assert not attempt(lambda: pull(store, FolderSource(home / "elsewhere" / "source")), "")
        assert not attempt(lambda: export_archive(store, home / "small" / "x.tar"), "the disk is full")
        assert not list((home / "small").glob("x.tar*"))
        assert not attempt(lambda: compact(store, 100_000), "the disk is full")
        check(store, done, quick=True)
assert 5 < refused < 16
check(store, done)
filler.unlink()
maker.publish(store, texts)
maker.collect(store, texts, name="last")
assert pull(store, FolderSource(home / "elsewhere" / "source")).n_segments == 1
check(store, [*done, *range(5000, 5300)])
print("refused", refused)
"""

LIMITED = '''
import resource
store = Store.create(home / "store")
maker.publish(store, maker.texts(1, 2))
texts, refused = maker.texts(*range(100, 400)), 0
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]


def limited(limit, work):
    """The limit holds for this process alone, so that the checks may write an index."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        return attempt(work, "a file would exceed the size limit: raise it")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


for limit in (0, 100, 700, 3000, 20_000, 60_000):
    assert not limited(limit, lambda: maker.publish(store, texts))
    check(store, (1, 2))
assert len(store.segment_digests()) == 1
assert limited(2**30, lambda: maker.publish(store, texts))
maker.collect(store, texts)
assert not limited(5000, lambda: export_archive(store, home / "x.tar"))
check(store, (1, 2, *range(100, 400)))
print("refused")
'''


def run(code, home, *before):
    conftest = Path(__file__).with_name("conftest.py")
    environment = {**os.environ, "GENESEM_CACHE": str(home / "elsewhere" / "cache")}
    command = [*before, sys.executable, "-c", PRELUDE + code, str(conftest), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=240)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith("refused")


def why_not_mounted(folder):
    if shutil.which("unshare") is None:
        return "unshare is not installed"
    done = subprocess.run(in_small_disk(folder, "true"), capture_output=True, text=True)
    return f"a small tmpfs cannot be mounted here: {done.stderr.strip()}" if done.returncode else ""


def in_small_disk(folder, *command):
    """Return the command that runs another with a file system of six megabytes at `folder`, seen by it alone."""
    script = 'mount -t tmpfs -o size=6m tmpfs "$0" && exec "$@"'
    return ["unshare", "-rm", "sh", "-c", script, str(folder), *command]


def test_a_disk_that_is_full_at_any_write(tmp_path):
    small = tmp_path / "small"
    for folder in (small, tmp_path / "elsewhere"):
        folder.mkdir()
    if reason := why_not_mounted(small):
        pytest.skip(reason)
    run(FULL, tmp_path, *in_small_disk(small))


def test_a_limit_on_the_size_of_files(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    run(LIMITED, tmp_path)
