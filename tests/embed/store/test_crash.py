"""kill -9 at any moment: what was published stays, what was not leaves nothing that anybody could read."""

import itertools
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from genesem_embed.store import Store
from genesem_embed.store.upkeep.gc import collect_garbage

WORKER = Path(__file__).with_name("worker.py")


def run_and_kill(arguments, delay):
    """Start a worker and kill it `delay` seconds after it has loaded; return whether it was still at work."""
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        return process.wait() == -signal.SIGKILL


def run_to_the_end(arguments):
    started = time.monotonic()
    done = subprocess.run([sys.executable, str(WORKER), *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return time.monotonic() - started


def seen(place, maker):
    """Return the numbers of the texts whose vectors can be read; every one of them must be right."""
    if not (place / "store.json").exists():
        return set()
    with Store.open(place) as store:
        report = store.verify()
        assert report.ok, report.problems
        texts = maker.texts(*range(130))
        found = [n for n, missing in enumerate(store.missing(maker.keys(texts))) if not missing]
        if found:
            np.testing.assert_array_equal(store.get(maker.keys(maker.texts(*found))), maker.stored(maker.texts(*found)))
        for info in store.collections():
            assert store.matrix(info).shape == (info.n, 8)
        return set(found)


@pytest.fixture(scope="module")
def sources(tmp_path_factory, maker):
    """Two stores to merge and pull from."""
    places = []
    for name, start in {"a": 40, "b": 80}.items():
        place = tmp_path_factory.mktemp("sources") / name
        with Store.create(place) as store:
            for first in range(start, start + 50, 10):
                maker.publish(store, maker.texts(*range(first, first + 10)))
            maker.collect(store, maker.texts(*range(start, start + 50)), name=name)
        places.append(place)
    return places


def hammer(tmp_path, maker, sources, kills, seed):
    """Kill build, merge, compact and pull `kills` times in all; nothing that was once seen may be lost or wrong."""
    pick = random.Random(seed)
    place = tmp_path / "store"
    tasks = [
        ("build", place, 0, 60, "own"),
        ("merge", place, *sources),
        ("pull", place, sources[1]),
        ("compact", place),
    ]
    longest = 1.0
    before: set[int] = set()
    done = 0
    for task in itertools.cycle(tasks):
        if done == kills:
            break
        if task[0] == "compact" and not before:  # nothing to compact, nothing to kill
            continue
        run_and_kill(task, pick.uniform(0, longest))
        now = seen(place, maker)
        assert before <= now
        before = now
        done += 1
    for task in tasks:
        run_to_the_end(task)
    with Store.open(place, "a") as store:
        collect_garbage(store, dry_run=False, older_than_s=0)
        assert not list((store.root / "tmp").rglob("*.json"))
    assert seen(place, maker) == set(range(130))


def test_twenty_kills_lose_nothing(tmp_path, maker, sources):
    hammer(tmp_path, maker, sources, kills=20, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10))
def test_two_hundred_kills_lose_nothing(tmp_path, maker, sources, seed):
    hammer(tmp_path, maker, sources, kills=20, seed=100 + seed)
