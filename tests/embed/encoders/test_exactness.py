"""A vector is the text's own: batch, order, padding and shared beginnings do not move it."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.runners import PackedRunner, PaddedRunner, choose_runner
from genesem_embed.encoders.weights import load_network

BOUND = 1e-5


@pytest.fixture(scope="module")
def texts(tiny_models, tiny_qwen3):
    model = describe_model(str(tiny_qwen3))
    users = [*tiny_models.gene_users(8, seed=3), *tiny_models.gene_users(8, seed=4, n_leads=2)]
    return [model.render(tiny_models.SYSTEM, user) for user in users] + [model.render(None, "MBP"), "x"]


@pytest.fixture(scope="module")
def alone(tiny_qwen3, texts):
    """Return the mean of transformers' own last hidden states, one text at a time."""
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen3)
    network = AutoModel.from_pretrained(tiny_qwen3, dtype=torch.float32).eval()
    with torch.inference_mode():
        return [network(**tokenizer(text, return_tensors="pt")).last_hidden_state[0] for text in texts]


@pytest.fixture(scope="module")
def encoder(tiny_qwen3, encoder_of):
    return encoder_of(tiny_qwen3)


def test_the_packed_way_is_taken(encoder, tiny_bert, encoder_of):
    assert isinstance(encoder._runners[0], PackedRunner)
    assert encoder._runners[0].causal
    bert = encoder_of(tiny_bert)._runners[0]
    assert isinstance(bert, PackedRunner)
    assert not bert.causal


@settings(max_examples=25)
@given(data=st.data())
def test_random_batchings_give_the_vectors_of_one_text_at_a_time(encoder, texts, alone, collect, data):
    rows = data.draw(st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=len(texts)))
    encoder._budget.tokens = data.draw(st.integers(1, 1500))
    found = collect(encoder, [texts[row] for row in rows])
    expected = np.stack([alone[row].mean(0).numpy() for row in rows])
    assert np.abs(found - expected).max() <= BOUND


@pytest.mark.parametrize("layer", [-1, 0, 1])
def test_last_token_and_layer(tiny_qwen3, encoder_of, texts, collect, layer):
    from transformers import AutoModel

    encoder = encoder_of(tiny_qwen3, pooling="last", layer=layer, batch_tokens=300)
    network = AutoModel.from_pretrained(tiny_qwen3, dtype=torch.float32).eval()
    expected = []
    for text in texts:
        ids = torch.from_numpy(encoder._model.tokenizer.tokenise([text]).ids[0])[None].long()
        with torch.inference_mode():
            expected.append(network(ids, output_hidden_states=True).hidden_states[layer][0, -1].numpy())
    assert np.abs(collect(encoder, texts) - np.stack(expected)).max() <= BOUND


def test_the_mean_over_the_user_part_counts_it_alone(tiny_models, tiny_qwen3, encoder_of, collect, alone, texts):
    encoder = encoder_of(tiny_qwen3, pooling="user-mean", batch_tokens=500)
    tokenizer = describe_model(str(tiny_qwen3)).tokenizer
    found = collect(encoder, texts[:-1])
    heads = [f"<|im_start|>system\n{tiny_models.SYSTEM}<|im_end|>\n<|im_start|>user\n"] * (len(texts) - 2)
    tail = "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    for row, head in enumerate([*heads, "<|im_start|>user\n"]):
        assert texts[row].startswith(head)
        first, n_tail = (len(tokenizer.tokenise([part]).ids[0]) for part in (head, tail))
        assert np.abs(found[row] - alone[row][first : len(alone[row]) - n_tail].mean(0).numpy()).max() <= BOUND


@pytest.mark.parametrize("family", ["tiny_qwen3_embedding", "tiny_bert"])
def test_sentence_transformers_gives_the_same(request, family, tiny_models, encoder_of, collect):
    from sentence_transformers import SentenceTransformer

    folder = request.getfixturevalue(family)
    texts = [*tiny_models.gene_users(5), "MBP", tiny_models.SYSTEM, "MBP"]
    expected = SentenceTransformer(str(folder), device="cpu").encode(texts, prompt="")
    for budget in (10, 150, 10_000):
        assert np.abs(collect(encoder_of(folder, batch_tokens=budget), texts) - expected).max() <= BOUND


def test_a_query_of_an_embedding_model_is_that_of_its_own_prompt(
    tiny_qwen3_embedding, encoder_of, collect, tiny_models
):
    from sentence_transformers import SentenceTransformer

    users = tiny_models.gene_users(3)
    other = SentenceTransformer(str(tiny_qwen3_embedding), device="cpu")
    encoder = encoder_of(tiny_qwen3_embedding)
    queries = [encoder._model.render("Find what is alike", user) for user in users]
    assert np.abs(collect(encoder, queries) - other.encode(users, prompt_name="query")).max() <= BOUND
    assert np.abs(collect(encoder, users) - other.encode(users, prompt_name="document")).max() <= BOUND


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_side_of_padding_in_the_files_changes_nothing(tiny_models, encoder_of, collect, tmp_path, side):
    from sentence_transformers import SentenceTransformer

    folder = tiny_models.tiny_qwen3_embedding(tmp_path / side, padding_side=side)
    texts = [*tiny_models.gene_users(3), "MBP"]
    encoder = encoder_of(folder)
    other = SentenceTransformer(str(folder), device="cpu")
    assert other.tokenizer.padding_side == side
    assert np.abs(collect(encoder, texts) - other.encode(texts, prompt="")).max() <= BOUND
    padded = PaddedRunner(encoder._runners[0]._network, encoder.space)
    encoder._runners[0]._network.set_attn_implementation("sdpa")
    tokens = encoder._model.tokenizer.tokenise(texts)
    together = padded.run(tokens.ids, tokens.spans)
    alone = torch.cat([padded.run([ids], tokens.spans[row : row + 1]) for row, ids in enumerate(tokens.ids)])
    assert (together - alone).abs().max() <= BOUND


def test_bfloat16_moves_little(tiny_qwen3, encoder_of, texts, collect):
    found = collect(encoder_of(tiny_qwen3, compute_dtype="bfloat16", batch_tokens=700), texts)
    single = np.concatenate([collect(encoder_of(tiny_qwen3, compute_dtype="bfloat16"), [text]) for text in texts[:4]])
    cosine = (found[:4] * single).sum(1) / np.linalg.norm(found[:4], axis=1) / np.linalg.norm(single, axis=1)
    assert cosine.min() > 0.999


def test_a_model_with_windows_runs_padded(tiny_qwen3):
    model = describe_model(str(tiny_qwen3), device="cpu")
    network = load_network(model, {"": "cpu"})
    network.config.layer_types = ["full_attention", "sliding_attention"]
    assert isinstance(choose_runner(network, model.space), PaddedRunner)
