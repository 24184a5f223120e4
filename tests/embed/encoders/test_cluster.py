"""Two local Ray nodes: the vectors are those of one process, also when an actor is killed half way."""

import numpy as np
import pytest

from genesem_embed.encoders.model import describe_model
from genesem_embed.errors import EncodingError

pytest.importorskip("ray", reason='needs pip install "genesem-embed[ray]"')
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::FutureWarning:ray.*")]


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
def encoder(cluster, tiny_qwen3):
    from genesem_embed.encoders.cluster import RayEncoder

    model = describe_model(str(tiny_qwen3), device="cpu")
    return RayEncoder(model, address=cluster, n_actors=2, shard_texts=8)


@pytest.fixture(scope="module")
def texts(tiny_models):
    return tiny_models.gene_users(60)


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


def test_a_bad_text_does_not_lose_the_others(encoder, texts):
    seen = []
    batches = (seen.extend(batch.rows) for batch in encoder.encode([*texts[:9], "MBP " * 2000]))
    with pytest.raises(EncodingError, match="more than the 1024"):
        list(batches)
    assert sorted(seen) == list(range(9))
