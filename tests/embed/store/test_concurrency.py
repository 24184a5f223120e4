"""Several operating-system processes on one store, none of which waits for another."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from genesem_embed.store import Store
from genesem_embed.store.files.disk import staging
from genesem_embed.store.sharing.quarantine import quarantine
from genesem_embed.store.upkeep.gc import _hide, collect_garbage

WORKER = Path(__file__).with_name("worker.py")


@pytest.fixture
def start():
    processes = []

    def run(*arguments):
        command = [sys.executable, str(WORKER), *map(str, arguments)]
        processes.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return processes[-1]

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


def finished(process):
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    return out


def test_eight_builders_of_overlapping_slides_and_a_reader(tmp_path, maker, start):
    place, stop = tmp_path / "store", tmp_path / "stop"
    reader = start("read", place, stop)
    builders = [start("build", place, 20 * n, 20 * n + 60, f"slide{n}") for n in range(8)]
    encoded = [int(finished(builder).split()[-1]) for builder in builders]
    stop.touch()
    assert int(finished(reader).split()[-1]) > 0
    with Store.open(place) as store:
        assert [info.name for info in store.collections()] == [f"slide{n}" for n in range(8)]
        for n, info in enumerate(store.collections()):
            np.testing.assert_array_equal(store.matrix(info), maker.stored(maker.texts(*range(20 * n, 20 * n + 60))))
        assert store.verify().ok
    # What one has published another does not encode again; only what two encode at the same moment is done twice.
    assert 200 <= sum(encoded) < 8 * 60


def test_a_builder_that_comes_later_encodes_nothing(tmp_path, start):
    assert finished(start("build", tmp_path / "s", 0, 40, "a")).split()[-1] == "40"
    assert finished(start("build", tmp_path / "s", 0, 40, "b")).split()[-1] == "0"


def test_gc_takes_nothing_that_others_are_about_to_rely_on(tmp_path, maker, start):
    """Old segments that nobody reaches are swept without pause, while builds and pulls come to rely on them."""
    place, stop = tmp_path / "store", tmp_path / "stop"
    with Store.create(place) as store, Store.create(tmp_path / "other") as other:
        for first in range(0, 120, 4):
            maker.publish(store, maker.texts(*range(first, first + 4)))
            maker.publish(other, maker.texts(*range(first, first + 4)))
        maker.collect(other, maker.texts(*range(120)), name="other", notes={"start": 0})
    yesterday = time.time() - 90_000
    for path in (place / "segments").rglob("*"):
        os.utime(path, (yesterday, yesterday))
    sweeper = start("sweep", place, stop, 60)
    workers = [start("build", place, 30 * n, 30 * n + 60, f"slide{n}") for n in range(2)]
    workers += [start("pull", place, tmp_path / "other"), start("pull", tmp_path / "third", place)]
    for worker in workers:
        finished(worker)
    stop.touch()
    assert int(finished(sweeper).split()[-1]) > 0
    with Store.open(place) as store:
        assert [info.name for info in store.collections()] == ["other", "slide0", "slide1"]
        for info in store.collections():
            texts = maker.texts(*range(info.notes["start"], info.notes["start"] + info.n))
            np.testing.assert_array_equal(store.matrix(info), maker.stored(texts))
        assert store.verify().ok
    with Store.open(tmp_path / "third") as third:
        assert third.verify().ok


def test_a_killed_gc_takes_nothing_with_it(filled, maker):
    loose = maker.publish(filled, maker.texts(800))
    hidden = filled.root / "tmp" / "gc"
    hidden.mkdir(parents=True)
    (filled.root / "segments" / loose).rename(hidden / loose)
    assert filled.missing(maker.keys(maker.texts(800)))[0]
    assert collect_garbage(filled, dry_run=False).segments == ()
    assert not filled.missing(maker.keys(maker.texts(800)))[0]


def test_what_somebody_came_to_rely_on_is_put_back(filled, maker):
    """`gc` looked at it before, and takes it only if it is still as old once it is out of sight."""
    loose = maker.publish(filled, maker.texts(800))
    before = time.time() - 10
    os.utime(filled.root / "segments" / loose, (before - 10, before - 10))
    assert not filled.missing(maker.keys(maker.texts(800)))[0]
    (filled.root / "tmp" / "gc").mkdir(parents=True, exist_ok=True)
    assert not _hide(filled.root, filled.root / "segments" / loose, before)
    assert loose in filled.segment_digests()
    os.utime(filled.root / "segments" / loose, (before - 10, before - 10))
    with Store.open(filled.root) as reader:  # who only reads relies on nothing
        reader.missing(maker.keys(maker.texts(800)))
    assert _hide(filled.root, filled.root / "segments" / loose, before)


def test_what_a_living_process_writes_is_no_leftover(filled):
    with staging(filled.root) as folder, quarantine(filled.root, "a" * 64) as pulled:
        for path in (folder / "half", pulled / "half"):
            path.write_bytes(b"x")
        collect_garbage(filled, dry_run=False, older_than_s=-10)
        assert (folder / "half").exists()
        assert (pulled / "half").exists()
    collect_garbage(filled, dry_run=False, older_than_s=-10)
    assert not pulled.exists()


def test_gc_looks_on_while_others_stage_and_remove(filled):
    stop = threading.Event()

    def come_and_go():
        while not stop.is_set():
            with staging(filled.root) as folder:
                for name in ("vectors", "row_sha", "texts"):
                    (folder / "segment" / name / "c").mkdir(parents=True)
                    (folder / "segment" / name / "c" / "0").touch()

    others = [threading.Thread(target=come_and_go) for _ in range(3)]
    for other in others:
        other.start()
    try:
        for _ in range(300):
            assert collect_garbage(filled, older_than_s=3600).leftovers == ()
    finally:
        stop.set()
        for other in others:
            other.join()


def test_compacting_collecting_merging_and_pulling_at_once(tmp_path, maker, start):
    for name, numbers in {"main": range(60), "a": range(40, 90), "b": range(80, 130)}.items():
        with Store.create(tmp_path / name) as store:
            for first in range(numbers.start, numbers.stop, 10):
                maker.publish(store, maker.texts(*range(first, first + 10)))
            maker.collect(store, maker.texts(*numbers), name=name, notes={"start": numbers.start})
    place, stop = tmp_path / "main", tmp_path / "stop"
    reader = start("read", place, stop)
    tasks = [
        start("merge", place, tmp_path / "a"),
        start("pull", place, tmp_path / "b"),
        start("pull", place, tmp_path / "b"),
        start("compact", place),
        start("build", place, 120, 150, "c"),
    ]
    for task in tasks:
        finished(task)
    finished(start("compact", place))
    finished(start("gc", place))
    stop.touch()
    finished(reader)
    with Store.open(place) as store:
        assert len(store.collections()) == 4
        np.testing.assert_array_equal(
            store.get(maker.keys(maker.texts(*range(150)))), maker.stored(maker.texts(*range(150)))
        )
        assert store.verify().ok
        assert len(store.segment_digests()) < 10
