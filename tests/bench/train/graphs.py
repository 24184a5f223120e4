"""Time the graphs of a large slide, in a process of its own; prints one JSON object.

python tests/bench/train/graphs.py spatial|feature SPOTS [GENES]
"""

import json
import resource
import sys
import time

import numpy as np
from scipy import sparse

from genesem_train.graphs import feature_graph, neighbour_recall, spatial_graph


def kinds(n_spots, n_genes, seed=0):
    """Return scaled values of spots that mix twenty kinds, about a tenth of them not zero."""
    rng = np.random.default_rng(seed)
    shares = rng.gamma(0.3, 1, (20, n_genes))
    shares /= shares.sum(axis=1, keepdims=True)
    blocks = []
    for start in range(0, n_spots, 2000):
        rows = min(2000, n_spots - start)
        mix = rng.dirichlet(np.full(20, 0.3), rows)
        library = rng.lognormal(np.log(0.13 * n_genes), 0.4, (rows, 1))
        blocks.append(sparse.csr_matrix(rng.poisson(mix @ shares * library).astype(np.float32)))
    counts = sparse.vstack(blocks, format="csr")
    values = sparse.diags(1e4 / np.maximum(np.asarray(counts.sum(axis=1)).ravel(), 1)) @ counts
    squares = np.asarray(values.multiply(values).mean(axis=0)).ravel()
    deviation = np.sqrt(np.maximum(squares - np.asarray(values.mean(axis=0)).ravel() ** 2, 1e-12))
    scaled = sparse.csr_matrix(values @ sparse.diags(1 / deviation), dtype=np.float32)
    scaled.data = np.minimum(scaled.data, 10)
    return scaled


def main(kind, n_spots, n_genes=1000):
    found = {"kind": kind, "n_spots": n_spots}
    if kind == "spatial":
        points = np.random.default_rng(0).uniform(size=(n_spots, 2))
        begun = time.perf_counter(), time.process_time()
        graph = spatial_graph(points, kind="knn", k=15)
    else:
        values = kinds(n_spots, n_genes)
        begun = time.perf_counter(), time.process_time()
        graph = feature_graph(values, k=15, method="approximate")
    found |= {"wall_s": time.perf_counter() - begun[0], "cpu_s": time.process_time() - begun[1], "n_edges": graph.nnz}
    if kind == "feature":
        found["recall"] = neighbour_recall(values, graph, k=15, n_spots=300)
    print(json.dumps(found | {"peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}))


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
