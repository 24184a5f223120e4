"""A small space, texts with vectors made from them, and stores holding some."""

import importlib.util
import signal
import subprocess
import sys
import urllib.request
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.store import Space, Store, text_keys

SPACE = Space(
    model="tiny",
    revision="1",
    weights_sha256=(("model.safetensors", "a" * 64),),
    tokenizer_sha256="b" * 64,
    style="plain",
    pooling="mean",
    normalise=True,
    compute_dtype="float32",
    max_tokens=64,
    dim=8,
)


class Maker:
    """Makes vectors from texts, the same ones every time, and publishes them."""

    def __init__(self, space=SPACE):
        self.space = space

    def in_space(self, **changes):
        return Maker(replace(self.space, **changes))

    def texts(self, *numbers):
        return [f"text number {number}" for number in numbers]

    def keys(self, texts):
        return text_keys(self.space.id, texts)

    def vectors(self, texts, seed=0):
        rngs = [np.random.default_rng([seed, *text.encode()]) for text in texts]
        rows = [rng.normal(size=self.space.dim) for rng in rngs]
        return np.array(rows, np.float32).reshape(-1, self.space.dim)

    def stored(self, texts, seed=0):
        return self.vectors(texts, seed).astype(self.space.precision)

    def publish(self, store, texts, seed=0):
        counts = np.arange(len(texts), dtype=np.int32) + 1
        return store.publish_segment(
            self.space, self.keys(texts), self.vectors(texts, seed), texts, counts, {"who": "test"}
        )

    def collect(self, store, texts, name="demo.spot-symbols", fingerprint="f" * 64, notes=None):
        slide = {"name": "demo", "fingerprint": fingerprint, "n_spots": len(texts), "n_genes": 5}
        ids = [f"spot{number}" for number in range(len(texts))]
        recipe = {"name": "spot-symbols", "version": 1}
        return store.publish_collection(
            name, "spot", recipe, self.space.id, slide, ids, self.keys(texts), notes or {"made_by": "test"}
        )


@pytest.fixture(scope="session")
def maker():
    return Maker()


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "store", mode="a") as opened:
        yield opened


@pytest.fixture
def filled(store, maker):
    """Three segments, of which two share texts, and one collection over them."""
    maker.publish(store, maker.texts(*range(40)))
    maker.publish(store, maker.texts(*range(30, 70)))
    maker.publish(store, maker.texts(100))
    maker.collect(store, maker.texts(*range(60), 100, 3))
    return store


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("GENESEM_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(request, monkeypatch):
    """Leave out the fsyncs, which make these tests four times slower; test_disk counts them, test_crash needs them."""
    if request.path.stem not in ("test_disk", "test_crash"):
        monkeypatch.setattr("genesem_embed.store.files.disk.os.fsync", lambda descriptor: None)


def _load_servers():
    spec = importlib.util.spec_from_file_location("store_test_servers", Path(__file__).with_name("servers.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def web():
    server = _load_servers().Web()
    yield server
    server.close()


@pytest.fixture(scope="session")
def s3_server():
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """An empty bucket of a real HTTP S3 API on loopback, found through the environment as any other would be."""
    settings = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ALLOW_HTTP": "true",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    bucket = f"bucket{uuid.uuid4().hex[:12]}"
    request = urllib.request.Request(f"{s3_server}/{bucket}", method="PUT")
    urllib.request.urlopen(request).close()
    return f"s3://{bucket}"


class FakeEncoder:
    """Draws vectors from the texts, four a batch; stops like Ctrl-C after some."""

    device = "test"

    def __init__(self, space, stop_after=None):
        self.space, self.stop_after, self.seen = space, stop_after, []

    def encode(self, texts):
        for start in range(0, len(texts), 4):
            if self.stop_after is not None and len(self.seen) >= self.stop_after:
                raise KeyboardInterrupt
            some = texts[start : start + 4]
            self.seen += some
            vectors = [np.random.default_rng(list(text.encode())).normal(size=self.space.dim) for text in some]
            rows = np.arange(start, start + len(some))
            yield EncodedBatch(rows=rows, vectors=np.float32(vectors), n_tokens=np.full(len(some), 1, np.int32))


class Crashes:
    """A process that forks others to be killed, so that none of them has to load everything first."""

    def __init__(self):
        command = [sys.executable, str(Path(__file__).with_name("worker.py")), "crashes"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline() == "ready\n"
        self.killed = 0

    def run(self, *arguments):
        print(*arguments, file=self._process.stdin, flush=True)
        status = int(self._process.stdout.readline())
        assert status in (0, -signal.SIGKILL), f"the crashing process failed by itself: {status}"
        self.killed += status != 0

    def close(self):
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()


@pytest.fixture
def crashes():
    crashes = Crashes()
    yield crashes
    crashes.close()


@pytest.fixture(scope="session")
def fake_encoder():
    return FakeEncoder


@pytest.fixture
def big(store, maker):
    """One segment of half a megabyte and its collection."""
    wide = maker.in_space(dim=512)
    texts = wide.texts(*range(400))
    wide.publish(store, texts)
    wide.collect(store, texts)
    return store
