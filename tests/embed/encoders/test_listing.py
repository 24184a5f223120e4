"""The models found on this machine."""

import shutil

import pytest

from genesem_embed.encoders import listing


@pytest.fixture
def cache(tmp_path, monkeypatch, tiny_qwen3):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--Qwen--Tiny" / "snapshots" / ("b" * 40)
    shutil.copytree(tiny_qwen3, folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")
    half = tmp_path / "models--Qwen--Half" / "snapshots" / ("c" * 40)
    half.mkdir(parents=True)
    shutil.copy(tiny_qwen3 / "config.json", half)
    return tmp_path


def test_whole_models_are_listed_with_size_licence_and_fit(cache, minilm):
    found = {entry.name: entry for entry in listing.list_models()}
    assert set(found) == {"sentence-transformers/all-MiniLM-L6-v2", "Qwen/Tiny"}
    tiny = found["Qwen/Tiny"]
    assert (tiny.revision, tiny.kind, tiny.dim, tiny.licence, tiny.fits) == (
        "b" * 40,
        "qwen3",
        64,
        "apache-2.0",
        "none",
    )
    assert found["sentence-transformers/all-MiniLM-L6-v2"].n_bytes == 90_868_376


def test_what_does_not_fit_whole_may_fit_quantised(cache, monkeypatch):
    monkeypatch.setattr(listing, "_gpu_bytes", list)
    size = next(entry for entry in listing.list_models() if entry.name == "Qwen/Tiny").n_bytes
    for room, fits in ((2 * size, "none"), (size // 2, "int8"), (size // 4, "nf4"), (size // 100, "")):
        monkeypatch.setattr(listing, "_ram_bytes", lambda room=room: room)
        assert next(entry for entry in listing.list_models() if entry.name == "Qwen/Tiny").fits == fits


def test_the_cache_is_where_huggingface_hub_keeps_it(monkeypatch, tmp_path):
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    assert listing.hub_cache() == tmp_path / "hub"
