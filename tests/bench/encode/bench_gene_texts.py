"""NCBI summaries of 20,000 genes through the bundled MiniLM: ours beside sentence-transformers.

``GENESEM_BENCH_GENES`` (20000) and ``GENESEM_BENCH_REPEATS`` (5) make it smaller.
"""

import os

import numpy as np
import pandas as pd

from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder

N_GENES = int(os.environ.get("GENESEM_BENCH_GENES", "20000"))
REPEATS = int(os.environ.get("GENESEM_BENCH_REPEATS", "5"))


def test_gene_texts(real_data, minilm, take_turns, show):
    from sentence_transformers import SentenceTransformer

    table = pd.read_parquet(real_data("gene_text.parquet"))
    told = table[table["summary"].fillna("").str.len() > 0].head(N_GENES)
    texts = [f"{symbol}: {summary}" for symbol, summary in zip(told["symbol"], told["summary"], strict=True)]
    model = describe_model("minilm", device="cpu", truncation="end")
    encoder = load_encoder(model)
    other = SentenceTransformer(str(minilm), device="cpu")

    def ours():
        found = np.empty((len(texts), 384), np.float32)
        for batch in encoder.encode(texts):
            found[batch.rows] = batch.vectors
        return found

    calls = {"genesem": ours, "sentence-transformers": lambda: other.encode(texts, show_progress_bar=False)}
    medians, found = take_turns(calls, REPEATS)
    show("MiniLM, fp32, gene summaries", medians, len(texts), int(model.count_tokens(texts).sum()))
    assert np.abs(found["genesem"] - found["sentence-transformers"]).max() <= 1e-5
