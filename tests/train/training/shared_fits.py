"""Groups of processes that fit small slides together, for test_parallel.py, which knows what one process finds.

    python shared_fits.py FOLDER 2:exact,moments 3:stagate

starts groups of two and of three at a time. Each process writes what it found and what it held to
FOLDER/SIZE-RANK.npz. They are forked, because torch takes seconds to import.
"""

import multiprocessing
import os
import signal
import socket
import sys
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from scipy import sparse

from genesem_train.config import load_preset
from genesem_train.errors import TrainingError
from genesem_train.improved.embedding import field_job
from genesem_train.improved.inputs import field_inputs
from genesem_train.models import field_semst
from genesem_train.models.backbones import semst, stagate
from genesem_train.networks import make_network, make_slide_inputs
from genesem_train.rows import SharedRows
from genesem_train.training.checkpoints import Resumable, load_checkpoint
from genesem_train.training.parallel import Group, Job, process_group, receive_job, share_out

N_SPOTS, N_GENES = 70, 20
CASES = {
    "exact": ("default", {"loss": {"pairs": "exact"}}),
    "moments": ("default", {"loss": {"pairs": "moments", "form": "paper"}, "model": {"fusion": "none"}, "slides": 2}),
    "improved": ("improved", {"slides": 2}),
    "stagate": ("stagate", {"graph": {"spatial": "knn", "spatial_k": 4}}),
    "stagate-two": ("stagate", {"graph": {"spatial": "knn", "spatial_k": 4}, "model": {"fusion": "none"}, "slides": 2}),
}
EPOCHS = 5


def make_job(case):
    """Return the fit of a made-up slide, or of two; the first spots have most entries, so that blocks are unequal."""
    preset, changes = CASES[case]
    settings = load_preset(preset, "made-up").with_values("model", hidden_dim=8, latent_dim=4)
    for section in ("loss", "model", "graph"):
        settings = settings.with_values(section, **changes.get(section, {}))
    rng = np.random.default_rng(0)
    rate = np.linspace(3, 0.7, N_SPOTS)[
        :, None
    ]  # no spot of a single gene: its neighbours would be a matter of rounding
    filled = rng.poisson(rate, (N_SPOTS, N_GENES)) * rng.gamma(2, size=(N_SPOTS, N_GENES))
    values = sparse.csr_matrix(filled.astype(np.float32))
    semantics = None if settings.model.fusion == "none" else rng.normal(size=(N_SPOTS, 6))
    slide_of = np.arange(N_SPOTS) % 2 if "slides" in changes else None
    if settings.mode == "improved":
        counts = sparse.csr_matrix(rng.poisson(rate, (N_SPOTS, N_GENES)).astype(np.float32))
        prepared = field_inputs(counts, rng.uniform(size=(N_SPOTS, 2)), semantics, slide_of=slide_of)
        return field_job(prepared, hidden_dim=8, latent_dim=4)
    inputs, _ = make_slide_inputs(settings, values, rng.uniform(size=(N_SPOTS, 2)), semantics, slide_of)
    network = partial(make_network, settings, N_GENES, None if semantics is None else 6, N_SPOTS)
    return Job(network=network, inputs=inputs, settings={"clip_norm": 5.0 if preset == "stagate" else None})


def own_part(case, group):
    return share_out(make_job(case), group) if group.leads else receive_job(group)


def found_by(job, **settings):
    """Return what came out of a fit as arrays by name."""
    trained = job.fit(epochs=EPOCHS, seed=3, **settings)
    arrays = {"latent": trained.latent} | {f"loss/{name}": values for name, values in trained.losses.items()}
    if trained.alpha is not None:
        arrays |= {"alpha": trained.alpha, "beta": trained.beta}
    return arrays | {f"weights/{name}": part.numpy() for name, part in trained.weights.items()}


def held(inputs):
    """Return the shapes of what this process holds, and the bytes of its values."""
    parts = {"values": inputs.values, "semantics": inputs.semantics}
    parts |= {"spatial": inputs.spatial, "feature": inputs.feature}
    shapes = {f"held/{name}": np.array(part.shape) for name, part in parts.items() if part is not None}
    matrix = inputs.values.matrix
    sizes = [part.untyped_storage().nbytes() for part in (matrix.values(), matrix.col_indices())]
    return shapes | {"held/entries": np.array([matrix.values().numel()]), "held/bytes": np.array(sizes)}


def slopes(group, n_own=2):
    """Return gradients through gather, stack and sum, and their finite differences, process by process."""
    rows = SharedRows((n_own,) * group.size, group.rank)
    generator = torch.Generator().manual_seed(group.rank)
    own = torch.randn(n_own, 3, generator=generator, dtype=torch.float64)
    factors = torch.randn(5, n_own * group.size, 3, generator=generator, dtype=torch.float64)

    def loss(own):
        gathered = (factors[0] * rows.gather(own).tanh()).sum()
        stacked = (factors[1, : group.size] * rows.stack(own.sum(dim=0)).sin()).sum()
        return gathered + stacked + (factors[2, :n_own] * rows.sum(own**2)).sum()

    leaf = own.clone().requires_grad_()
    loss(leaf).backward()
    differences = torch.zeros_like(own)
    for turn in range(group.size):
        for place in np.ndindex(*own.shape):
            shifted = torch.zeros_like(own)
            shifted[place] = 1e-6 if turn == group.rank else 0.0
            change = rows.sum(loss(own + shifted) - loss(own - shifted))
            if turn == group.rank:
                differences[place] = change / 2e-6
    return {"slopes/exact": leaf.grad.numpy(), "slopes/differences": differences.numpy()}


def broken_off(place, group):
    """Press Ctrl-C in the last process alone, then go on from what the first one kept."""

    def press(epoch, losses):
        if epoch == 3 and group.rank == group.size - 1:
            signal.raise_signal(signal.SIGINT)

    resumable = {resume: Resumable(path=place, stamp="s", resume=resume) if group.leads else None for resume in (0, 1)}
    job = own_part("exact", group)
    try:
        found_by(job, on_epoch=press, resumable=resumable[0])
    except KeyboardInterrupt:
        dist.barrier()
        stopped = len(load_checkpoint(place, "s").losses["total"])
        return {"stopped": np.array(stopped)} | found_by(job, resumable=resumable[1])
    return {}


def take_part(folder, rank, size, port, cases):
    """Be one process of a group."""
    os.environ |= {"WORLD_SIZE": str(size), "RANK": str(rank), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    group = process_group()
    decoded = []
    for module in (semst, field_semst, stagate):
        module.blocked_loss = partial(noted, module.blocked_loss, decoded)
    arrays = {}
    for case in cases:
        job = own_part(case, group)
        decoded.clear()
        found = found_by(job) | held(job.inputs) | {"decoded": np.unique(decoded)}
        arrays |= {f"{case}/{name}": value for name, value in found.items()}
    arrays |= slopes(group)
    arrays |= {f"broken-off/{name}": value for name, value in broken_off(folder / f"{size}.pt", group).items()}
    message = "" if group.leads else waited_in_vain(group)  # the leading process writes and ends
    np.savez(folder / f"{size}-{rank}.npz", message=message, **arrays)


def waited_in_vain(group):
    try:
        receive_job(group)
    except TrainingError as error:
        return str(error)
    return "received"


def noted(blocked_loss, decoded, hidden, *rest):
    decoded.append(len(hidden))
    return blocked_loss(hidden, *rest)


def alone(case):
    """Return what one process finds."""
    return found_by(share_out(make_job(case), Group()))


def main(folder, *groups):
    forking = multiprocessing.get_context("fork")
    processes = []
    for size, cases in (group.split(":") for group in groups):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        for rank in range(int(size)):
            given = (Path(folder), rank, int(size), port, cases.split(","))
            processes.append(forking.Process(target=take_part, args=given))
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in processes))


if __name__ == "__main__":
    main(*sys.argv[1:])
