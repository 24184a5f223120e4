"""Time an epoch of the mode ``improved`` on simulated counts of a tissue with bands; prints one JSON object.

python tests/bench/train/improved_epoch.py SPOTS GENES EPOCHS
"""

import json
import sys
import time

import numpy as np
from scipy import sparse

from genesem_train.improved.embedding import field_job
from genesem_train.improved.inputs import field_inputs

N_BANDS = 6


def simulate(n_spots, n_genes, counts_per_spot, seed=0):
    """Return counts whose shares of genes follow the band that a spot lies in, and coordinates."""
    rng = np.random.default_rng(seed)
    coords = rng.uniform(0, np.sqrt(n_spots), (n_spots, 2))
    shares = rng.gamma(0.3, size=n_genes) * rng.gamma(2.0, size=(N_BANDS, n_genes))
    rates = counts_per_spot * shares / shares.sum(axis=1, keepdims=True)
    bands = (coords[:, 0] * N_BANDS / np.sqrt(n_spots)).astype(int)
    blocks = [sparse.csr_matrix(rng.poisson(rates[part])) for part in np.array_split(bands, -(-n_spots // 10_000))]
    return sparse.vstack(blocks, format="csr").astype(np.float32), coords


def main(n_spots, n_genes, epochs):
    counts, coords = simulate(n_spots, n_genes, counts_per_spot=n_genes // 4)
    prepared = field_inputs(counts, coords)
    marks = []
    field_job(prepared).fit(epochs=epochs + 1, on_epoch=lambda epoch, losses: marks.append(time.process_time()))
    rebuilt = prepared.inputs.values
    filled = len(rebuilt.matrix.values()) / np.prod(rebuilt.shape)
    print(json.dumps({"n_spots": n_spots, "not_zero": filled, "cpu_s": float(np.median(np.diff(marks)))}))


if __name__ == "__main__":
    main(*(int(number) for number in sys.argv[1:]))
