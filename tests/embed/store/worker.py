"""What the processes of the crash and concurrency tests do; run as ``python worker.py TASK STORE ARGUMENTS``."""

import importlib.util
import sys
import time
from pathlib import Path

import numpy as np

from genesem_embed.errors import GenesemError
from genesem_embed.store import Store
from genesem_embed.store.sharing.pull import merge, pull
from genesem_embed.store.sharing.source import open_source
from genesem_embed.store.upkeep.compact import compact
from genesem_embed.store.upkeep.gc import collect_garbage

SPEC = importlib.util.spec_from_file_location("store_conftest", Path(__file__).with_name("conftest.py"))
conftest = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(conftest)
maker = conftest.Maker()


def build(place, start, stop, name):
    """Publish texts in small segments, those that are missing, then their collection; like a build of a slide."""
    encoded = 0
    with Store.open(place, "a") as store:
        numbers = list(range(int(start), int(stop)))
        for first in range(0, len(numbers), 10):
            texts = maker.texts(*numbers[first : first + 10])
            todo = [text for text, missing in zip(texts, store.missing(maker.keys(texts)), strict=True) if missing]
            if todo:
                maker.publish(store, todo)
                encoded += len(todo)
        maker.collect(store, maker.texts(*numbers), name=name, notes={"start": int(start)})
    print("encoded", encoded)


def read(place, stop_file):
    """Read every collection and the views, again and again; any error ends the process with a traceback."""
    rounds = 0
    while not Path(stop_file).exists():
        if not (Path(place) / "store.json").exists():
            continue
        with Store.open(place) as store:
            for info in store.collections():
                matrix = store.matrix(info)
                start = info.notes["start"]
                assert np.array_equal(matrix, maker.stored(maker.texts(*range(start, start + info.n))))
            store.query("SELECT count(*) FROM vectors JOIN texts USING (key)")
        rounds += 1
        time.sleep(0.02)
    print("rounds", rounds)


def merge_into(place, *sources):
    with Store.open(place, "a") as store:
        merge(store, sources)


def pull_from(place, source):
    with Store.open(place, "a") as store:
        pull(store, open_source(source))


def compact_all(place):
    with Store.open(place, "a") as store:
        compact(store)


def sweep_again_and_again(place, stop_file, grace_s):
    """Compact and collect garbage until told to stop."""
    rounds = 0
    with Store.open(place, "a") as store:
        while not Path(stop_file).exists():
            collect_garbage(store, dry_run=False, older_than_s=float(grace_s))
            compact(store, target_rows=16)
            rounds += 1
    print("rounds", rounds)


def sweep(place):
    with Store.open(place, "a") as store:
        collect_garbage(store, dry_run=False, older_than_s=0)


TASKS = {
    "build": build,
    "read": read,
    "merge": merge_into,
    "pull": pull_from,
    "compact": compact_all,
    "gc": sweep,
    "sweep": sweep_again_and_again,
}

if __name__ == "__main__":
    print("ready", flush=True)
    try:
        TASKS[sys.argv[1]](*sys.argv[2:])
    except GenesemError as error:
        sys.exit(f"{type(error).__name__}: {error}")
