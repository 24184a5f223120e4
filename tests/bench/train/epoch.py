"""Time one way of training SemST on simulated counts, in a process of its own; prints one JSON object.

    python tests/bench/train/epoch.py genesem|plain SPOTS GENES EPOCHS [HIDDEN LATENT]
    torchrun --nproc-per-node 2 tests/bench/train/epoch.py genesem SPOTS GENES EPOCHS [HIDDEN LATENT]

``plain`` is the method written down as the paper has it: dense matrices, eager torch, all pairs of spots at once. Of
several processes the leading one makes the slide and shares it out; ``processes`` then has the spots, seconds and peaks
of each.
"""

import json
import resource
import sys
import time
from functools import partial

import numpy as np
import torch
import torch.distributed as dist
from scipy import sparse
from torch import nn
from torch.nn import functional

from genesem_train.config import load_preset
from genesem_train.graphs import propagation, spatial_graph
from genesem_train.networks import make_network
from genesem_train.training.fit import make_inputs
from genesem_train.training.parallel import Job, process_group, receive_job, share_out


def simulate(n_spots, n_genes, density=0.1, seed=0):
    """Return values with `density` non-zeros, in row blocks, and coordinates on a jittered square."""
    rng = np.random.default_rng(seed)
    frequency = rng.beta(0.4, 0.4 * (1 - density) / density, n_genes)
    blocks = []
    for start in range(0, n_spots, 10_000):
        rows = min(10_000, n_spots - start)
        per_gene = rng.binomial(rows, np.clip(frequency, 0.001, 1))
        columns = np.repeat(np.arange(n_genes), per_gene)
        spots = rng.integers(0, rows, len(columns))
        data = np.minimum(rng.gamma(1.0, 1.5, len(columns)), 10).astype(np.float32)
        blocks.append(sparse.csr_matrix((data, (spots, columns)), shape=(rows, n_genes)))
    side = int(np.ceil(np.sqrt(n_spots)))
    grid = np.stack(np.divmod(np.arange(n_spots), side), axis=1) + rng.uniform(-0.3, 0.3, (n_spots, 2))
    return sparse.vstack(blocks, format="csr"), grid


def neighbours_by_chance(coords, k=15, seed=1):
    """Return a graph of 15 random neighbours: as costly in an epoch as that of expression, and made at once."""
    rng = np.random.default_rng(seed)
    n_spots = len(coords)
    rows, columns = np.repeat(np.arange(n_spots), k), rng.integers(0, n_spots, n_spots * k)
    graph = sparse.csr_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(n_spots, n_spots))
    graph = graph + graph.T
    graph.setdiag(False)
    graph.eliminate_zeros()
    return graph


class PlainView(nn.Module):
    def __init__(self, n_genes, hidden, latent, weights):
        super().__init__()
        self.first, self.second, self.weights = nn.Linear(n_genes, hidden), nn.Linear(hidden, latent), weights

    def forward(self, x):
        return self.weights @ self.second(torch.relu(self.weights @ self.first(x)))


class PlainSemST(nn.Module):
    """The paper's formulas with dense tensors; without semantics, which cost the same either way."""

    def __init__(self, values, spatial, feature, hidden, latent):
        super().__init__()
        n_genes = values.shape[1]
        self.x = torch.from_numpy(values.toarray())
        self.near = torch.from_numpy(spatial.toarray())
        self.views = nn.ModuleList(
            PlainView(n_genes, hidden, latent, propagation(graph).matrix) for graph in (spatial, feature)
        )
        self.latent = nn.Sequential(nn.Linear(2 * latent, hidden), nn.ReLU(), nn.Linear(hidden, latent))
        self.hidden = nn.Sequential(nn.Linear(latent, hidden), nn.BatchNorm1d(hidden), nn.ReLU())
        self.mean, self.theta, self.pi = (nn.Linear(hidden, n_genes) for _ in range(3))

    def loss(self):
        views = [view(self.x) for view in self.views]
        z = self.latent(torch.cat(views, dim=1))
        return self.zinb(self.hidden(z)) + 0.1 * self.pairs(z) + 0.1 * self.correlation(*views)

    def zinb(self, h, eps=1e-10):
        x, pi = self.x, torch.sigmoid(self.pi(h))
        mu = torch.exp(self.mean(h)).clamp(1e-5, 1e6)
        theta = functional.softplus(self.theta(h)).clamp(1e-4, 1e4)
        gammas = torch.lgamma(theta + eps) + torch.lgamma(x + 1) - torch.lgamma(x + theta + eps)
        rest = (theta + x) * torch.log(1 + mu / (theta + eps)) + x * (torch.log(theta + eps) - torch.log(mu + eps))
        counted = gammas + rest - torch.log(1 - pi + eps)
        zero = -torch.log(pi + (1 - pi) * (theta / (theta + mu + eps)) ** theta + eps)
        return (torch.where(x < 1e-8, zero, counted) + 0.05 * pi**2).mean()

    def pairs(self, z):
        unit = functional.normalize(z, dim=1)
        similar = torch.sigmoid(unit @ unit.T * (1 - torch.eye(len(z))))
        near = self.near.long()
        return -0.5 * ((near * torch.log(similar)).mean() + ((1 - near) * torch.log(1 - similar)).mean())

    def correlation(self, one, two):
        cosine = functional.normalize(one, dim=0).T @ functional.normalize(two, dim=0)
        return (cosine - torch.eye(len(cosine))).square().mean()


def time_plain(values, spatial, feature, epochs, hidden, latent):
    torch.manual_seed(0)
    network = PlainSemST(values, spatial, feature, hidden, latent)
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3, weight_decay=5e-4)
    marks = []
    for _ in range(epochs + 1):
        marks.append((time.perf_counter(), time.process_time()))
        optimiser.zero_grad()
        network.loss().backward()
        optimiser.step()
    marks.append((time.perf_counter(), time.process_time()))
    return marks


def semst_job(values, spatial, feature, hidden=256, latent=128):
    """Return the fit of SemST without semantics, as the settings have it for a large slide."""
    settings = load_preset("default", "simulated").with_values("model", hidden_dim=hidden, latent_dim=latent)
    settings = settings.with_values("loss", pairs="moments")
    inputs = make_inputs(values, spatial, propagation(spatial), propagation(feature))
    return Job(network=partial(make_network, settings, values.shape[1], None, inputs.n_spots), inputs=inputs)


def time_genesem(job, epochs):
    marks = []
    job.fit(
        epochs=epochs + 1,
        on_epoch=lambda epoch, losses: marks.append((time.perf_counter(), time.process_time())),
    )
    return marks


def main(how, n_spots, n_genes, epochs, hidden=256, latent=128):
    group = process_group()
    if group.leads:
        values, coords = simulate(n_spots, n_genes)
        slide = values, spatial_graph(coords, kind="knn", k=15), neighbours_by_chance(coords)
    if how == "plain":
        marks = time_plain(*slide, epochs, hidden, latent)
        own = n_spots
    else:
        job = share_out(semst_job(*slide, hidden, latent), group) if group.leads else receive_job(group)
        values = slide = None  # only its own rows count from here on
        own = job.inputs.values.shape[0]
        marks = time_genesem(job, epochs)
    found = {"spots": own, **steps_of(marks, epochs)}
    processes = [found] * group.size
    if group.size > 1:
        dist.all_gather_object(processes, found)
    if group.leads:
        slowest = {name: max(one[name] for one in processes) for name in ("wall_s", "cpu_s", "peak_gb")}
        several = {"processes": processes} if group.size > 1 else {}
        print(json.dumps({"how": how, "n_spots": n_spots, **slowest, **several}))


def steps_of(marks, epochs):
    """Return the seconds of the fastest epoch of this process, and the most memory that it ever held."""
    wall, cpu = np.diff(np.array(marks), axis=0)[-epochs:].min(axis=0)
    return {"wall_s": wall, "cpu_s": cpu, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}


if __name__ == "__main__":
    main(sys.argv[1], *(int(number) for number in sys.argv[2:]))
