"""SemST prompts through a random Qwen3 (hidden 1024, 6 layers) on the CPU: ours, sentence-transformers, a plain loop.

``GENESEM_BENCH_TEXTS`` (512) and ``GENESEM_BENCH_REPEATS`` (5) make it smaller. A corpus (``-k slide``, ``duplicates``,
``shared``, ``starmap``) takes about ten minutes on two quiet cores; the ratios settle much earlier.
"""

import os

import numpy as np
import pytest
import torch

from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder

N_TEXTS = int(os.environ.get("GENESEM_BENCH_TEXTS", "512"))
REPEATS = int(os.environ.get("GENESEM_BENCH_REPEATS", "5"))


@pytest.fixture(scope="module")
def folder(tiny_models, demo_slide, tmp_path_factory):
    """Return a model whose tokenizer cuts gene symbols about as Qwen's does: the shared prompt is 37 % of a text."""
    path = tmp_path_factory.mktemp("bench") / "qwen3-1024x6"
    words = [f", {gene}" for gene in demo_slide.var_names]
    return tiny_models.tiny_qwen3(path, hidden=1024, layers=6, heads=16, kv_heads=8, vocab=1500, words=words)


@pytest.fixture(scope="module")
def model(folder):
    return describe_model(str(folder), device="cpu")


@pytest.fixture(scope="module")
def ways(folder, model):
    """Return the three ways from texts to vectors, weights loaded."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
    from transformers import AutoModel, AutoTokenizer

    encoder = load_encoder(model)
    # Prompts are rendered already; left to itself it would put each of them into the chat template once more.
    plain = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
    words = Transformer(str(folder), modality_config=plain, module_output_name="token_embeddings")
    other = SentenceTransformer(modules=[words, Pooling(1024, "mean")], device="cpu")
    tokenizer = AutoTokenizer.from_pretrained(folder, padding_side="right")
    network = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()

    def ours(texts):
        found = np.empty((len(texts), 1024), np.float32)
        encoder._runners[0].forget()  # every repeat computes the shared prompt anew
        for batch in encoder.encode(texts):
            found[batch.rows] = batch.vectors
        return found

    ours.encoder = encoder

    @torch.inference_mode()
    def loop(texts):
        parts = []
        for start in range(0, len(texts), 8):
            inputs = tokenizer(texts[start : start + 8], padding=True, return_tensors="pt")
            hidden = network(**inputs).last_hidden_state
            mask = inputs["attention_mask"][:, :, None]
            parts.append((hidden * mask).sum(1) / mask.sum(1))
        return torch.cat(parts).numpy()

    return {
        "genesem": ours,
        "sentence-transformers": lambda texts: other.encode(texts, show_progress_bar=False),
        "transformers, batches of 8": loop,
    }


@pytest.fixture
def users_of(demo_slide, tiny_models, real_data):
    """Return a function from a corpus to user parts.

    Those of a slide, the same with every text twice, lists that share beginnings, and the 30 genes a cell of the real
    STARmap slide, whose symbols the tokenizer does not know whole.
    """
    from genesem_embed.datasets import PreprocessOptions, load_slide
    from genesem_embed.texts import RecipeOptions, make_prompts

    def listed(slide, top_genes, n_hvg=3000):
        options = RecipeOptions(top_genes=top_genes, preprocess=PreprocessOptions(n_hvg=n_hvg))
        return make_prompts(slide, "spot-symbols", options=options).users[:N_TEXTS]

    return {
        "slide": lambda: listed(demo_slide, 20),
        "duplicates": lambda: [user for user in listed(demo_slide, 20)[: N_TEXTS // 2] for _ in range(2)],
        "shared": lambda: tiny_models.gene_users(N_TEXTS, n_leads=max(N_TEXTS // 16, 1)),
        "starmap": lambda: listed(load_slide(str(real_data("mvc.h5ad"))), 30, 128),
    }


@pytest.mark.parametrize("corpus", ["slide", "duplicates", "shared", "starmap"])
def test_prompts(tiny_models, model, ways, users_of, corpus, take_turns, show):
    texts = [model.render(tiny_models.SYSTEM, user) for user in users_of[corpus]()]
    medians, found = take_turns({name: lambda way=way: way(texts) for name, way in ways.items()}, REPEATS)
    facts = ways["genesem"].encoder.facts
    print(f"\nproducts by {facts['products']}, attention {facts['attention']}, {facts['batch_tokens']} tokens a batch")
    show(f"Qwen3 1024 x 6, fp32, {corpus}", medians, len(texts), int(model.count_tokens(texts).sum()))
    for name, vectors in found.items():
        assert np.abs(vectors - found["genesem"]).max() <= 1e-5, name
    for name in ("sentence-transformers", "transformers, batches of 8"):
        assert medians[name].wall >= 1.5 * medians["genesem"].wall, name
