"""`build` of the NCBI texts of 20,000 genes by the bundled MiniLM, beside sentence-transformers on the same texts.

Ours is the whole build: from the slide to a published collection. ``GENESEM_BENCH_GENES`` (20000) and
``GENESEM_BENCH_REPEATS`` (5) make it smaller.
"""

import itertools
import os

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from genesem_embed import build as steps
from genesem_embed.datasets import PreprocessOptions, load_slide
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.transformer import load_encoder
from genesem_embed.store import Store
from genesem_embed.texts import RecipeOptions, TokenBudget

N_GENES = int(os.environ.get("GENESEM_BENCH_GENES", "20000"))
REPEATS = int(os.environ.get("GENESEM_BENCH_REPEATS", "5"))
A_SPOT = 50


def slide_of(symbols, path):
    """Write a slide whose spots list every gene once."""
    n_spots = -(-len(symbols) // A_SPOT)
    genes = np.arange(len(symbols))
    counts = sp.csr_matrix((1.0 + genes % 7, (genes // A_SPOT, genes)), shape=(n_spots, len(symbols)), dtype=np.float32)
    slide = ad.AnnData(counts, var=pd.DataFrame(index=symbols))
    slide.obs_names = [f"spot{row}" for row in range(n_spots)]
    slide.obsm["spatial"] = np.stack([np.arange(n_spots), np.arange(n_spots) % 9], axis=1).astype(np.float64)
    slide.write_h5ad(path)
    return load_slide(str(path), kind="spots")


def test_gene_texts(real_data, minilm, take_turns, show, tmp_path):
    from sentence_transformers import SentenceTransformer

    file = real_data("gene_text.parquet")
    table = pd.read_parquet(file)
    human = table[table["tax_id"] == 9606].sort_values("summary", key=lambda told: told.fillna("") == "", kind="stable")
    slide = slide_of(list(dict.fromkeys(human["symbol"]))[:N_GENES], tmp_path / "genes.h5ad")
    model = describe_model("minilm", device="cpu", truncation="end", precision="float32")
    options = RecipeOptions(
        top_genes=A_SPOT,
        gene_table=file,
        organism="human",
        preprocess=PreprocessOptions(min_cells=0, n_hvg=N_GENES),
        budget=TokenBudget(max_tokens=256, count=lambda system, users: model.count_tokens(users)),
    )
    encoder = load_encoder(model)
    other = SentenceTransformer(str(minilm), device="cpu")
    texts = steps.plan(slide, "gene-summaries", options, model, None).texts
    assert len(texts) == N_GENES
    places = (tmp_path / f"store{number}" for number in itertools.count())

    def ours():
        with Store.open(next(places), mode="a") as store:
            steps.build(slide, "gene-summaries", options, model, store, load_encoder=lambda _: encoder)
            (collection,) = store.collections()
            return store.matrix(collection)

    calls = {
        "genesem build": ours,
        "sentence-transformers encode": lambda: other.encode(texts, show_progress_bar=False),
    }
    medians, found = take_turns(calls, REPEATS)
    print(f"\nproducts by {encoder.facts['products']}, attention {encoder.facts['attention']}")
    show("MiniLM, fp32, gene texts", medians, len(texts), int(model.count_tokens(texts).sum()))
    assert np.abs(found["genesem build"] - found["sentence-transformers encode"]).max() <= 1e-5
