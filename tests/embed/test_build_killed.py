"""A build killed at random moments loses at most the segment at hand, and encodes no published text again."""

import json
import subprocess
import sys

import pytest

SCRIPT = '''
import json, os, random, signal, sys, threading, time
from pathlib import Path
import numpy as np
from genesem_embed import build as steps
from genesem_embed.datasets import make_demo
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.store import Store
from genesem_embed.texts import RecipeOptions

steps.SEGMENT_ROWS = 16
home = Path(sys.argv[1])
slide = make_demo()[:160].copy()
model, options = describe_model("minilm", precision="float32"), RecipeOptions(top_genes=5)
work = steps.plan(slide, "spot-symbols", options, model, None)
draw = random.Random(0)


def vector(text):
    return np.random.default_rng(list(text.encode())).normal(size=384).astype(np.float32)


class Watched:
    """Notes every text that it is asked for although the store had it when the build began."""

    device = "test"

    def __init__(self, known):
        self.space, self.known = model.space, known

    def encode(self, texts):
        for start in range(0, len(texts), 4):
            some = texts[start : start + 4]
            for text in some:
                if text in self.known:
                    (home / "again").write_text(text)
            time.sleep(0.01)
            rows = np.arange(start, start + len(some))
            vectors = np.stack([*map(vector, some)])
            yield EncodedBatch(rows=rows, vectors=vectors, n_tokens=np.full(len(some), 1, np.int32))


def attempt(place, delay):
    """Build in a process of its own, which kills itself after `delay` seconds; tell whether it came to an end."""
    child = os.fork()
    if child == 0:
        threading.Timer(delay, os.kill, (os.getpid(), signal.SIGKILL)).start()
        with Store.open(place, mode="a") as store:
            known = {work.texts[row] for row in np.flatnonzero(~store.missing(work.keys))}
            steps.build(slide, "spot-symbols", options, model, store, load_encoder=lambda _: Watched(known))
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


n_killed, n_stores, wanted = 0, 0, int(sys.argv[2])
while n_killed < wanted:
    place = home / f"store{n_stores}"
    while not attempt(place, draw.uniform(0.05, 1.5) if n_killed < wanted else 1000):
        n_killed += 1
    n_stores += 1

wrong = 0
for number in range(n_stores):
    with Store.open(home / f"store{number}") as store:
        (collection,) = store.collections()
        found = store.matrix(collection)
        wrong += int(not np.array_equal(found, np.stack([vector(text) for text in work.texts])))
        wrong += len(store.verify().problems)
print(json.dumps({"killed": n_killed, "wrong": wrong, "again": (home / "again").exists()}))
'''


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_builds_resume_and_encode_nothing_twice(tmp_path, kills):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tmp_path), str(kills)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"killed": kills, "wrong": 0, "again": False}
