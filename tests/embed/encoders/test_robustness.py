"""What goes wrong with one text stays with that text; what goes wrong with memory teaches the budget."""

import threading

import numpy as np
import pytest
import torch

from genesem_embed.encoders import transformer
from genesem_embed.encoders.memory import Budget, run_within
from genesem_embed.encoders.packing import pack
from genesem_embed.errors import EncodingError, ModelUnavailableError


class SmallMemory:
    """Runs batches of at most so many tokens, and gives every text its first id."""

    causal = True

    def __init__(self, most, error):
        self.most, self.error, self.tried = most, error, []

    def run(self, ids, spans):
        n_tokens = len(pack(ids, causal=True).ids)
        self.tried.append(n_tokens)
        if n_tokens > self.most:
            raise self.error
        return torch.tensor([[float(one[0])] for one in ids])


@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory"), RuntimeError("DefaultCPUAllocator: can't allocate memory: 1 bytes")],
    ids=["cuda", "cpu"],
)
def test_running_out_of_memory_halves_the_budget_and_keeps_it(error):
    ids = [np.full(10, row, np.int32) for row in range(40)]
    spans = np.tile([0, 10], (40, 1))
    runner, budget = SmallMemory(60, error), Budget(400)
    found = dict(_pairs(run_within(runner, ids, spans, budget)))
    assert found == {row: float(row) for row in range(40)}
    assert budget.tokens == 50
    assert runner.tried[:3] == [400, 200, 100]
    assert max(runner.tried[3:]) <= 50


def test_a_text_too_large_for_the_memory_does_not_lose_the_others():
    ids = [np.full(n, row, np.int32) for row, n in enumerate((10, 100, 10))]
    spans = np.array([[0, 10], [0, 100], [0, 10]])
    runner = SmallMemory(60, torch.OutOfMemoryError("CUDA out of memory"))
    found = dict(_pairs(run_within(runner, ids, spans, Budget(400))))
    assert found == {0: 0.0, 1: None, 2: 2.0}


def test_other_errors_pass():
    runner = SmallMemory(0, RuntimeError("shapes differ"))
    with pytest.raises(RuntimeError, match="shapes differ"):
        list(run_within(runner, [np.ones(3, np.int32)], np.array([[0, 3]]), Budget(10)))


def test_a_vector_that_is_not_finite_is_named_and_the_others_come(tiny_bert, encoder_of, collect):
    encoder = encoder_of(tiny_bert, normalise=False)
    word = encoder._model.tokenizer.tokenise(["MBP"]).ids[0][1]
    with torch.no_grad():
        encoder._runners[0]._network.embeddings.word_embeddings.weight[word] = float("nan")
    seen = []
    batches = (seen.extend(batch.rows) for batch in encoder.encode(["PLP1", "MBP", "GFAP"]))
    with pytest.raises(EncodingError, match=r"text 1 \('MBP'\) has a vector that is not finite in float16"):
        list(batches)
    assert sorted(seen) == [0, 2]


def test_a_value_too_large_for_the_stored_precision_is_named(tiny_bert, encoder_of, collect):
    for precision, fits in (("float16", False), ("float32", True)):
        encoder = encoder_of(tiny_bert, normalise=False, precision=precision)
        with torch.no_grad():
            encoder._runners[0]._network.encoder.layer[-1].output.LayerNorm.weight *= 1e5
        if fits:
            assert np.isfinite(collect(encoder, ["MBP", "GFAP"])).all()
        else:
            with pytest.raises(EncodingError, match="not finite in float16"):
                collect(encoder, ["MBP", "GFAP"])


def test_what_batching_moves_is_measured(tiny_bert, encoder_of, collect):
    encoder = encoder_of(tiny_bert)
    assert encoder.exactness == {}
    collect(encoder, ["MBP", "GFAP PLP1", "MOBP"])
    assert encoder.exactness["n_texts"] == 3
    assert encoder.exactness["lowest_cosine"] > 0.99999
    assert encoder.exactness["largest_difference"] < 1e-5


def test_what_batching_moves_is_kept_with_the_vectors(tiny_qwen3, demo_slide, tmp_path):
    from genesem_embed import build as steps
    from genesem_embed.encoders.model import describe_model
    from genesem_embed.encoders.transformer import load_encoder
    from genesem_embed.store import Store
    from genesem_embed.texts import RecipeOptions

    model = describe_model(str(tiny_qwen3), device="cpu", compute_dtype="bfloat16")
    options = RecipeOptions(top_genes=3)
    with Store.open(tmp_path / "s", mode="a") as store:
        steps.build(demo_slide[:12].copy(), "spot-symbols", options, model, store, load_encoder=load_encoder)
        (digest,) = store.segment_digests()
        measured = store.segment(digest).provenance()["encoder"]["exactness"]
    assert measured["n_texts"] == 4
    assert 0.999 < measured["lowest_cosine"] <= 1.0001
    assert measured["largest_difference"] > 0  # bfloat16: not the same to the last bit


def test_many_problems_make_one_line(tiny_bert, encoder_of):
    encoder = encoder_of(tiny_bert, max_tokens=3)
    with pytest.raises(EncodingError, match=r"^5 texts .*; and 2 more\. ") as caught:
        list(encoder.encode(["MBP PLP1 GFAP"] * 5))
    assert "\n" not in str(caught.value)


def test_an_empty_user_part_is_named(tiny_qwen3, encoder_of):
    encoder = encoder_of(tiny_qwen3, pooling="user-mean")
    with pytest.raises(EncodingError, match="has no tokens to pool"):
        list(encoder.encode([encoder._model.render(None, "")]))


def test_windows_join_up(tiny_bert, encoder_of, collect, monkeypatch):
    texts = [f"MBP {'PLP1 ' * (row % 7)}" for row in range(23)]
    expected = collect(encoder_of(tiny_bert), texts)
    monkeypatch.setattr(transformer, "_WINDOW", 4)
    np.testing.assert_allclose(collect(encoder_of(tiny_bert), texts), expected, atol=1e-6)


def test_the_next_texts_are_tokenised_while_these_run(tiny_bert, encoder_of, monkeypatch):
    monkeypatch.setattr(transformer, "_WINDOW", 4)
    encoder = encoder_of(tiny_bert)
    tokenised, usual = {}, encoder._model.tokenizer.tokenise

    def watched(texts):
        tokenised[texts[0]] = threading.get_ident()
        if texts[0] == "MBP 4":
            came.set()
        return usual(texts)

    came = threading.Event()
    monkeypatch.setattr(encoder._model.tokenizer, "tokenise", watched)
    batches = encoder.encode([f"MBP {row}" for row in range(12)])
    next(batches)  # the first window has begun, and nobody has asked for the second one
    assert came.wait(10)
    assert list(tokenised) == ["MBP 0", "MBP 4"]
    assert threading.get_ident() not in tokenised.values()
    list(batches)
    assert list(tokenised) == ["MBP 0", "MBP 4", "MBP 8"]


def test_no_texts_give_no_batches(tiny_bert, encoder_of):
    assert list(encoder_of(tiny_bert).encode([])) == []


def test_a_generator_can_be_left_half_way(tiny_bert, encoder_of):
    batches = encoder_of(tiny_bert, batch_tokens=5).encode(["MBP", "GFAP", "PLP1"])
    assert len(next(batches).rows) == 1
    batches.close()


def test_weights_that_cannot_be_read_are_named(tiny_bert, encoder_of, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_bert, tmp_path / "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(ModelUnavailableError, match="cannot be loaded"):
        encoder_of(folder)


def _pairs(results):
    for rows, vectors in results:
        for place, row in enumerate(rows.tolist()):
            yield row, None if vectors is None else float(vectors[place, 0])


def test_the_budget_that_memory_taught_is_kept_for_later_runs(tiny_qwen3, tiny_models, encoder_of, collect):
    texts = tiny_models.gene_users(30)
    first = encoder_of(tiny_qwen3)
    assert first.batch_tokens == 2048
    usual = first._runners[0].run

    def short_of_memory(ids, spans):
        if len(ids) > 3:
            msg = "CUDA out of memory"
            raise torch.OutOfMemoryError(msg)
        return usual(ids, spans)

    first._runners[0].run = short_of_memory
    found = collect(first, texts)
    assert first.batch_tokens < 2048
    assert first.facts["memory_ran_out"] is True
    later = encoder_of(tiny_qwen3)
    assert later.batch_tokens == later.facts["batch_tokens"] == first.batch_tokens
    assert "memory_ran_out" not in later.facts
    np.testing.assert_allclose(collect(later, texts), found, atol=1e-5)
    assert encoder_of(tiny_qwen3, batch_tokens=700).batch_tokens == 700
    assert encoder_of(tiny_qwen3, pooling="last").batch_tokens == 2048  # another space
