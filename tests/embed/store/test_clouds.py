"""Every kind of URL against a service on loopback that speaks its protocol: there and back, listed, and in place."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from genesem_embed.errors import DownloadError, StoreError
from genesem_embed.store import Store
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.push import push
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import open_source

SPEC = importlib.util.spec_from_file_location("store_test_clouds", Path(__file__).with_name("clouds.py"))
clouds = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(clouds)


@pytest.fixture
def started():
    servers = []

    def start(handler, **facts):
        server, url = clouds.serve(handler, **facts)
        servers.append(server)
        return url

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(params=["gs", "az"])
def cloud(request, started, monkeypatch, tmp_path):
    """A folder in a bucket of Google's, or a container of Azure's, found through the environment as any other."""
    handler = {"gs": clouds.Google, "az": clouds.Azure}[request.param]
    url = started(handler, objects={}, parts={})
    account = {"gcs_base_url": url, "disable_oauth": True, "client_email": "", "private_key": "", "private_key_id": ""}
    (tmp_path / "account.json").write_text(json.dumps(account))
    monkeypatch.setenv("GOOGLE_SERVICE_ACCOUNT", str(tmp_path / "account.json"))
    monkeypatch.setenv("AZURE_STORAGE_USE_EMULATOR", "true")
    monkeypatch.setenv("AZURITE_BLOB_STORAGE_URL", url)
    return {"gs": "gs://bucket/lab", "az": "az://container/lab"}[request.param]


def test_there_and_back_and_in_place(cloud, filled, maker, tmp_path):
    publish(filled)
    assert push(filled, cloud).n_segments == 3
    assert push(filled, cloud).n_segments == 0
    with Store.create(tmp_path / "other") as other:
        assert pull(other, open_source(cloud)).n_segments == 3
        np.testing.assert_array_equal(other.matrix("demo.spot-symbols"), filled.matrix("demo.spot-symbols"))
        assert other.verify().ok
    with Store.open(cloud, "a") as remote:
        maker.publish(remote, maker.texts(900))
        np.testing.assert_array_equal(remote.get(maker.keys(maker.texts(5, 900))), maker.stored(maker.texts(5, 900)))
        assert remote.verify().ok
        assert remote.verify(quick=True).ok


def test_a_file_in_parts(cloud, tmp_path):
    """Above five megabytes a file is uploaded in parts and appears whole."""
    data = np.random.default_rng(0).bytes(6 * 2**20)
    (tmp_path / "large").write_bytes(data)
    source = RemoteSource(cloud)
    source.write("segments/x/large", tmp_path / "large")
    assert source.sizes("segments") == {"segments/x/large": len(data)}
    source.fetch("segments/x/large", tmp_path / "back", len(data))
    assert (tmp_path / "back").read_bytes() == data
    assert source.ranges("segments/x/large", [5, 3 * 2**20], 100) == [data[5:105], data[3 * 2**20 :][:100]]


@pytest.fixture
def hub(started, filled, monkeypatch):
    publish(filled)
    asked = {"hub": [], "content": []}
    content = started(clouds.Content, folder=filled.root, asked=asked["content"])
    facts = {"folder": filled.root, "content": content, "revision": "v1", "asked": asked["hub"]}
    monkeypatch.setenv("HF_ENDPOINT", started(clouds.Hub, **facts))
    monkeypatch.setenv("HF_TOKEN", "secret")
    return asked


class TestHuggingFace:
    place = "hf://datasets/lab/vectors@v1/store"

    def test_a_ref_is_pulled_and_read_in_place(self, hub, filled, tmp_path):
        with Store.create(tmp_path / "other") as other:
            assert pull(other, open_source(self.place)).n_segments == 3
            assert other.verify().ok
        with Store.open(self.place) as remote:
            np.testing.assert_array_equal(remote.matrix("demo.spot-symbols"), filled.matrix("demo.spot-symbols"))
            assert remote.verify(quick=True).ok

    def test_the_token_goes_to_the_hub_alone(self, hub, filled, tmp_path):
        with Store.create(tmp_path / "other") as other:
            pull(other, open_source(self.place))
        assert {token for _, token in hub["hub"]} == {"Bearer secret"}
        assert hub["content"]
        assert {token for _, token in hub["content"]} == {None}

    def test_without_a_token_it_is_refused_in_one_line(self, hub, filled, tmp_path, monkeypatch):
        monkeypatch.delenv("HF_TOKEN")
        with (
            Store.create(tmp_path / "other") as other,
            pytest.raises(DownloadError, match="could not be moved") as told,
        ):
            pull(other, open_source(self.place))
        assert "\n" not in str(told.value)

    def test_another_revision_is_not_there(self, hub, filled, tmp_path):
        with Store.create(tmp_path / "other") as other, pytest.raises(StoreError, match="no store at hf://"):
            pull(other, open_source("hf://datasets/lab/vectors@v2/store"))

    def test_nothing_is_uploaded(self, hub, filled):
        with pytest.raises(StoreError, match="can only be read; upload a folder with: hf upload"):
            push(filled, self.place)
