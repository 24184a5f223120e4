"""Two local Ray nodes: vectors and store are those of one process, also when actors are killed half way."""

import json
import subprocess
import sys

import numpy as np
import pytest

from genesem_embed import build as steps
from genesem_embed.encoders import cluster as cluster_module
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder
from genesem_embed.errors import InputError, StoreError, TextsFailedError
from genesem_embed.store import Store
from genesem_embed.texts import RecipeOptions

pytest.importorskip("ray", reason='needs pip install "genesem-embed[ray]"')
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:ray.*")]
OPTIONS = RecipeOptions(top_genes=4)


@pytest.fixture(scope="module")
def cluster():
    import ray
    from ray.cluster_utils import Cluster

    found = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    found.add_node(num_cpus=1)
    yield found.address
    ray.shutdown()
    found.shutdown()


@pytest.fixture(scope="module")
def model(tiny_qwen3):
    return describe_model(str(tiny_qwen3), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def encoder(cluster, model):
    return cluster_module.RayEncoder(model, address=cluster, n_actors=2, shard_texts=8)


@pytest.fixture(scope="module")
def texts(tiny_models):
    return tiny_models.gene_users(60)


@pytest.fixture
def slide(demo_slide):
    return demo_slide[:60].copy()


def build(slide, model, place, encoder, on_batch=lambda texts, tokens: None):
    with Store.open(place, mode="a") as store:
        report = steps.build(
            slide, "spot-symbols", OPTIONS, model, store, load_encoder=lambda _: encoder, on_batch=on_batch
        )
        (collection,) = store.collections()
        assert not store.verify().problems
        provenances = [store.segment(digest).provenance() for digest in store.segment_digests()]
        return report, store.matrix(collection), provenances


def test_two_nodes_and_a_killed_actor_give_the_vectors_of_one_process(encoder, texts, tiny_qwen3, encoder_of, collect):
    import ray

    expected = collect(encoder_of(tiny_qwen3), texts)
    found = np.full_like(expected, np.nan)
    for n, batch in enumerate(encoder.encode(texts)):
        if n == 1:
            ray.kill(encoder.actors[0])
        assert np.isnan(found[batch.rows]).all()
        found[batch.rows] = batch.vectors
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert len({node["NodeID"] for node in ray.nodes()}) == 2


def test_actors_write_their_own_segments_and_a_killed_ones_shard_is_redone(encoder, slide, model, tmp_path):
    import ray

    kills = []

    def kill_one(texts, tokens):
        if not kills:
            kills.append(encoder.facts["actors_lost"])
            ray.kill(encoder.actors[1])

    alone, expected, _ = build(slide, model, tmp_path / "alone", load_encoder(model))
    report, found, provenances = build(slide, model, tmp_path / "ray", encoder, kill_one)
    assert report.digest == alone.digest  # the same ids and keys
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert report.encoder["writers"] == "actors"
    assert report.encoder["actors_lost"] == kills[0] + 1
    # Written by the actors: a segment a shard, with the actor's own device and kernels.
    assert len(provenances) >= report.n_unique / 8 > 2
    assert {one["encoder"]["attention"] for one in provenances} == {"packed, sdpa"}
    assert all(one["host"]["device"].startswith("cpu") for one in provenances)
    assert not list((tmp_path / "ray" / "tmp").rglob(cluster_module._TOKEN))


def test_a_shard_that_was_published_before_its_actor_died_is_not_redone(encoder, texts, model, tmp_path, monkeypatch):
    import ray

    from genesem_embed.store import text_keys

    keys = text_keys(model.space.id, texts)
    monkeypatch.setattr(encoder, "_shard_texts", 60)
    with Store.open(tmp_path / "s", mode="a") as store:
        first = encoder.publish(store, keys, texts)
        handed = []
        usual = encoder._actors.over

        def watched(parts, submit, again):
            def submit_and_die(actor, rows):
                handed.append(len(rows))
                future = submit(actor, rows)
                ray.wait([future])  # it is published
                ray.kill(actor)
                return actor.sees.remote("", "")  # asks the dead one: what the driver sees of a death just after

            return usual(parts, submit_and_die, again)

        monkeypatch.setattr(encoder._actors, "over", watched)
        assert list(first) == []
        assert handed == [60]
        assert not store.missing(keys).any()


def test_where_actors_do_not_see_the_store_the_driver_writes(encoder, slide, model, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_module, "_TOKEN", "a-name-that-no-actor-looks-for")
    monkeypatch.setattr(encoder, "_writers", "driver")
    report, _, provenances = build(slide, model, tmp_path / "s", encoder)
    assert report.encoder["writers"] == "driver"
    assert len(provenances) == 1
    monkeypatch.setattr(encoder, "_wanted", "actors")
    with pytest.raises(InputError, match="0 of 2 actors see the store"):
        build(slide, model, tmp_path / "other", encoder)
    # An actor that comes later, on another machine, tells it too.
    with (
        Store.open(tmp_path / "late", mode="a") as store,
        pytest.raises(StoreError, match="does not see the store at .*--writers driver"),
    ):
        list(encoder.publish(store, np.zeros((1, 32), np.uint8), ["MBP"]))


def test_bad_texts_do_not_lose_the_others(encoder, texts):
    seen = []
    batches = (
        seen.extend(batch.rows) for batch in encoder.encode([*texts[:9], "MBP " * 2000, *texts[9:20], "TF " * 3000])
    )
    with pytest.raises(TextsFailedError, match=r"^2 texts .*text 9 \(.*more than the 1024.*text 21 "):
        list(batches)
    assert sorted(seen) == [*range(9), *range(10, 21)]


def test_a_laptop_needs_no_address(tiny_qwen3, tmp_path):
    """In a process of its own, which starts Ray for itself."""
    start = [sys.executable, "-c", "from genesem_embed.cli import main; main()"]
    options = ["build", "--dataset", "demo", "--model", tiny_qwen3, "--device", "cpu", "--top-genes", 3, "--limit", 5]
    asked = [*start, *map(str, options), "--store", str(tmp_path / "s"), "--engine", "ray", "--actors", "1", "--json"]
    done = subprocess.run(asked, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert (report["n_encoded"], report["encoder"]["writers"]) == (5, "actors")
