"""What torch.compile would save: an epoch of SemST with the dense part of its likelihood compiled, and without.

    python tests/bench/train/fused.py SPOTS GENES EPOCHS

Both ways train in turn in this process; the medians of their epochs' processor seconds are printed as one JSON object.
The part at counts stays eager in both: its length differs from block to block, which the compiler takes for a new
program or refuses. Needs a C++ compiler; what is compiled lies in a folder that is removed again.
"""

import json
import os
import sys
import tempfile
import time

import numpy as np
import torch
from epoch import neighbours_by_chance, semst_job, simulate
from torch.nn.functional import softplus

from genesem_train.graphs import spatial_graph
from genesem_train.losses import zinb_nll
from genesem_train.losses.blocks import BLOCK_ENTRIES, PIECES
from genesem_train.losses.zinb import DISPERSION_BOUNDS, LOG_MEAN_BOUNDS, RIDGE, NonZeros
from genesem_train.models import semst

AGREE = 1e-6


def soft(x):
    """Return softplus and sigmoid, with one exponential for both."""
    small = torch.exp(-x.abs())
    share = 1 / (1 + small)
    return x.clamp(min=0) + torch.log1p(small), torch.where(x >= 0, share, small * share)


def common(mean, dispersion, dropout):
    log_mean = mean.clamp(*LOG_MEAN_BOUNDS)
    unbounded, slope = soft(dispersion)
    theta = unbounded.clamp(*DISPERSION_BOUNDS)
    mu = log_mean.exp()
    log_ratio, w = torch.log1p(mu / theta), mu / (1 + mu / theta)
    pi = torch.sigmoid(dropout)
    return log_mean, theta, log_ratio, w, pi, log_mean == mean, slope * (theta == unbounded)


def as_zeros(logits):
    """Return value and gradient as if every entry were zero: what is compiled."""
    mean, dispersion, dropout = logits.chunk(3, dim=1)
    _, theta, log_ratio, w, pi, free_mean, theta_slope = common(mean, dispersion, dropout)
    both = dropout + theta * log_ratio
    not_both = torch.sigmoid(-both)
    total = (softplus(dropout) - softplus(both) + both - dropout + RIDGE * pi * pi).sum()
    by_mean = not_both * w * free_mean
    by_dispersion = not_both * (log_ratio - w / theta) * theta_slope
    by_dropout = pi - (1 - not_both) + 2 * RIDGE * pi * pi * (1 - pi)
    return total, torch.cat([by_mean, by_dispersion, by_dropout], dim=1)


class Fused(torch.autograd.Function):
    dense = staticmethod(torch.compile(as_zeros))

    @staticmethod
    def forward(ctx, logits, index, x):
        logits = logits.detach()
        total, slopes = Fused.dense(logits)
        n_genes = logits.shape[1] // 3
        place = index + 2 * n_genes * (index // n_genes)
        mean, dispersion, dropout = (logits.take(place + shift * n_genes) for shift in range(3))
        log_mean, theta, log_ratio, w, pi, free_mean, theta_slope = common(mean, dispersion, dropout)
        gammas = torch.lgamma(theta) + torch.lgamma(x + 1) - torch.lgamma(x + theta)
        rest = x * (log_ratio + theta.log() - log_mean) + softplus(dropout + theta * log_ratio)
        share = (theta + x) * w / theta
        by_theta = torch.digamma(theta) - torch.digamma(x + theta) + log_ratio + (x - share) / theta
        flat = slopes.view(-1)
        flat[place] = (share - x) * free_mean
        flat[place + n_genes] = by_theta * theta_slope
        flat[place + 2 * n_genes] = pi + 2 * RIDGE * pi * pi * (1 - pi)
        ctx.save_for_backward(slopes)
        return total + (gammas + rest).sum()

    @staticmethod
    def backward(ctx, grad_output):
        return grad_output * ctx.saved_tensors[0], None, None


def by_compiler(nonzeros, logits, *, form):
    assert form == "released"
    return Fused.apply(logits, nonzeros.index, nonzeros.value)


def compile_and_compare(shapes):
    """Return the seconds of compiling for blocks of these shapes, having checked value and gradient."""
    seconds = 0.0
    for rows, n_genes in shapes:
        generator = torch.Generator().manual_seed(0)
        index = torch.arange(0, rows * n_genes, 11)
        entries = NonZeros(index=index, value=5 * torch.rand(len(index), generator=generator))
        logits = (3 * torch.randn(rows, 3 * n_genes, generator=generator)).requires_grad_()
        begun = time.perf_counter()
        found = by_compiler(entries, logits, form="released")
        seconds += time.perf_counter() - begun
        expected = zinb_nll(entries, logits, form="released")
        slopes = (torch.autograd.grad(value, logits)[0] for value in (found, expected))
        assert torch.allclose(*slopes, rtol=AGREE, atol=10 * AGREE)
        assert abs(float((found - expected).detach())) <= 10 * AGREE * abs(float(expected.detach()))
    return seconds


def main(n_spots, n_genes, epochs):
    values, coords = simulate(n_spots, n_genes)
    spatial, feature = spatial_graph(coords, kind="knn", k=15), neighbours_by_chance(coords)
    job = semst_job(values, spatial, feature)
    in_likelihood = 0.0

    def seconds_of(way):
        """Return the processor seconds of each epoch, and those of the likelihood in it."""
        marks = []

        def timed(*args, **kwargs):
            nonlocal in_likelihood
            begun = time.process_time()
            value = way(*args, **kwargs)
            in_likelihood += time.process_time() - begun
            return value

        semst.zinb_nll = timed
        job.fit(
            epochs=epochs + 1,
            on_epoch=lambda epoch, losses: marks.append((time.process_time(), in_likelihood)),
        )
        return np.diff(marks, axis=0)

    rows = min(n_spots, BLOCK_ENTRIES // n_genes)
    compile_s = compile_and_compare([(-(-block // PIECES), n_genes) for block in (rows, n_spots % rows or rows)])
    ways = {"eager": zinb_nll, "compiled": by_compiler}
    taken = {name: [] for name in ways}
    for _ in range(2):
        for name, way in ways.items():
            taken[name].extend(seconds_of(way))
    medians = {name: np.median(steps, axis=0) for name, steps in taken.items()}
    found = {f"{name}_s": {"epoch": step[0], "likelihood": step[1]} for name, step in medians.items()}
    faster = medians["eager"][0] / medians["compiled"][0]
    print(json.dumps({"n_spots": n_spots, "compile_s": compile_s, **found, "epoch_faster_by": faster}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder  # no older compilation is taken
        main(*(int(number) for number in sys.argv[1:]))
