"""Which spots are worth comparing, where there are too many to compare all.

Rows of unit length are projected on their first singular vectors. The product of two projections is the part of their
cosine that genes agree on, without the noise of single counts, and its size counts: projections brought back to unit
length find far fewer true neighbours. Projections are looked through in cells (k-means): every spot is compared with
the spots of its own and the likeliest other cells.
"""

from collections.abc import Iterator

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from sklearn.cluster import MiniBatchKMeans
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

EFFORTS = ((32, 16), (256, 64))
"""Widths of the projection and candidates per neighbour, tried in turn."""
CELL_SPOTS = 1_000
"""On average."""
GREATEST_CELL = 4_000
PRODUCT_BYTES = 2**28
PROBED_SPOTS = 60_000
SEED = 0


def likely_neighbours(unit: sparse.csr_matrix, k: int, *, effort: int = 0) -> Int[np.ndarray, "spot candidate"]:
    """Return other spots for each spot, among which its `k` neighbours by cosine most likely are.

    Greater efforts project on more vectors and return more candidates: shallow counts need that, because there single
    genes decide who is near whom.
    """
    width, per_neighbour = EFFORTS[effort]
    n_candidates = min(per_neighbour * k, unit.shape[0] - 1)
    left, values, _ = randomized_svd(unit, min(width, min(unit.shape) - 1), n_iter=1, random_state=SEED)
    projected = torch.from_numpy((left * values).astype(np.float32))
    found = np.empty((unit.shape[0], n_candidates), dtype=np.int64)
    for cell, probed in _cells(projected.numpy()):
        for spots in torch.split(cell, max(1, PRODUCT_BYTES // (4 * len(probed)))):
            products = projected[spots] @ projected[probed].T
            products[spots[:, None] == probed] = -torch.inf
            found[spots] = probed[products.topk(n_candidates, dim=1).indices].numpy()
    return found


def _cells(projected: Float[np.ndarray, "spot dim"]) -> Iterator[tuple[Int[Tensor, " spot"], Int[Tensor, " probed"]]]:
    """Yield the spots of every cell, and the spots of the cells that they are compared with."""
    n_cells = max(1, len(projected) // CELL_SPOTS)
    means = MiniBatchKMeans(n_cells, n_init=1, random_state=SEED).fit(projected)
    order = torch.from_numpy(np.argsort(means.labels_, kind="stable"))
    filled, sizes = np.unique(means.labels_, return_counts=True)
    # Spots that are all alike make one huge cell, and leave others empty.
    pieces = [torch.split(part, GREATEST_CELL) for part in torch.split(order, sizes.tolist())]
    members = [piece for parts in pieces for piece in parts]
    centres = torch.from_numpy(np.repeat(means.cluster_centers_[filled], [len(parts) for parts in pieces], axis=0))
    n_probed = max(1, PROBED_SPOTS // CELL_SPOTS)
    nearest = (centres @ centres.T).topk(min(n_probed, len(members)), dim=1).indices
    for cell, others in zip(members, nearest, strict=True):
        yield cell, torch.cat([members[other] for other in others])
