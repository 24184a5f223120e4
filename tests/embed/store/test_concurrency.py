"""Several operating-system processes on one store, none of which waits for another."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from genesem_embed.store import Store

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
