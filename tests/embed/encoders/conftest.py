"""Tiny models on disk, and one way to gather what an encoder yields."""

import numpy as np
import pytest

from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder


@pytest.fixture(scope="session")
def tiny_qwen3(tiny_models, tmp_path_factory):
    return tiny_models.tiny_qwen3(tmp_path_factory.mktemp("qwen") / "tiny-qwen3")


@pytest.fixture(scope="session")
def tiny_qwen3_embedding(tiny_models, tmp_path_factory):
    return tiny_models.tiny_qwen3_embedding(tmp_path_factory.mktemp("qwen") / "tiny-qwen3-embedding")


@pytest.fixture(scope="session")
def tiny_bert(tiny_models, tmp_path_factory):
    return tiny_models.tiny_bert(tmp_path_factory.mktemp("bert") / "tiny-bert")


@pytest.fixture(scope="session")
def collect():
    """Return a function that gives an encoder's vectors in the order of the texts; NaN where none came."""

    def gather(encoder, texts):
        found = np.full((len(texts), encoder.space.dim), np.nan, np.float32)
        for batch in encoder.encode(texts):
            assert np.isnan(found[batch.rows]).all(), "a text came twice"
            found[batch.rows] = batch.vectors
        return found

    return gather


@pytest.fixture(scope="session")
def encoder_of():
    """Return a function from a model's folder and options to its encoder on the CPU."""

    def load(folder, *, batch_tokens=None, **options):
        return load_encoder(describe_model(str(folder), device="cpu", **options), batch_tokens=batch_tokens)

    return load
