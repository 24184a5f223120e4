"""Cell sentences of a whole cohort: 250,000 cells in 120 images, as many and as uneven as Damond et al. 2019 has them.

Run with `nox -s bench -- tests/bench/texts`. Prints seconds and peak memory; fails above 5 minutes or 4 GB.
"""

import json
import subprocess
import sys

import pytest

CODE = """
import json, resource, sys, time
import anndata as ad, numpy as np, pandas as pd
from genesem_embed.texts import CellOptions, RecipeOptions, TokenBudget, make_prompts

rng = np.random.default_rng(0)
sizes = np.clip(rng.lognormal(np.log(1800), 0.6, 120), 723, 9396)
sizes = np.clip(sizes * 250_000 / sizes.sum(), 723, 9396).astype(int)
sizes[sizes.argmax()] += 250_000 - sizes.sum()
n_cells, image = sizes.sum(), np.repeat(np.arange(120), sizes)
obs = pd.DataFrame(
    {
        "image": pd.Categorical([f"image-{i:03d}" for i in image]),
        "patient": pd.Categorical([f"patient-{i // 10:02d}" for i in image]),
    },
    index=[f"cell-{i}" for i in range(n_cells)],
)
markers = pd.DataFrame(index=[f"Marker{i}" for i in range(38)])
slide = ad.AnnData(rng.gamma(0.5, 2, (n_cells, 38)).astype(np.float32), obs=obs, var=markers)
slide.obsm["spatial"] = rng.uniform(0, 1000, (n_cells, 2))
slide.uns["genesem"] = {"name": "simulated", "source": "bench"}
started = time.perf_counter()
budget = TokenBudget(max_tokens=256, count=lambda system, users: np.array([2 * len(text.split()) for text in users]))
options = RecipeOptions(cells=CellOptions(fold=0, folds=4, k=int(sys.argv[1])), budget=budget)
prompts = make_prompts(slide, "cell-sentences", options=options)
print(json.dumps({
    "cells": len(prompts.ids),
    "images": [120, int(sizes.min()), int(sizes.max())],
    "k": int(sys.argv[1]),
    "seconds": round(time.perf_counter() - started, 1),
    "peak_gb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
    "hubs": prompts.notes["hubs"],
    "dropped": prompts.notes["dropped_sentences"],
}))
"""


@pytest.mark.parametrize("k", [1, 3])
def test_a_cohort_is_written_in_minutes(k):
    done = subprocess.run([sys.executable, "-c", CODE, str(k)], capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print(f"\n{json.dumps(found)}")
    assert found["seconds"] < 300
    assert found["peak_gb"] < 4
