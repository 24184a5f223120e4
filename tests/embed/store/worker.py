"""What the processes of the crash and concurrency tests do; run as ``python worker.py TASK STORE ARGUMENTS``."""

import importlib.util
import os
import signal
import sys
import time
import traceback
from pathlib import Path

import numpy as np

from genesem_embed.errors import GenesemError
from genesem_embed.store import Store
from genesem_embed.store.files import disk
from genesem_embed.store.sharing.pull import merge, pull
from genesem_embed.store.sharing.remote import RemoteSource
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


def crashes():
    """For each line ``STEP TASK STORE OTHER NUMBERS``, do the task in a process that is killed at the given step."""
    for line in sys.stdin:
        step, task, place, other, *numbers = line.split()
        child = os.fork()
        if child == 0:
            _die_at(int(step))
            _attempt(task, place, other, maker.texts(*map(int, numbers)))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _attempt(task, place, other, texts):
    """Do the task and end; nothing but the kill may keep it from its end."""
    failed = 1
    try:
        with Store.open(place, "a") as store:
            if task == "build":
                maker.publish(store, list(dict.fromkeys(texts)), seed=1)
            elif task == "pull":
                pull(store, open_source(other))
            elif task == "compact":
                compact(store)
            else:
                collect_garbage(store, dry_run=False, older_than_s=0)
        failed = 0
    finally:
        if failed:
            traceback.print_exc()
        os._exit(failed)


def _die_at(step):
    """Kill this very process at the step-th write, fsync or rename; a write is half done by then."""
    left = [step]

    def deadly(real, before=lambda *arguments: None):
        def call(*arguments, **options):
            if left[0] == 0:
                before(*arguments)
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return real(*arguments, **options)

        return call

    disk._write_all = deadly(disk._write_all, lambda descriptor, view: os.write(descriptor, view[: len(view) // 2]))
    disk.fsync_path = deadly(disk.fsync_path)
    Path.rename, Path.replace = deadly(Path.rename), deadly(Path.replace)
    RemoteSource.write = deadly(RemoteSource.write)


TASKS = {
    "crashes": crashes,
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
