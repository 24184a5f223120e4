"""The same numbers for the same seed on the same machine, whatever was run before in the process."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

THREADS = torch.get_num_threads()
"""As the process began: other libraries change the count under torch's feet, and with it the order of sums."""


@contextmanager
def repeatable(seed: int, device: str) -> Iterator[None]:
    """Draw from `seed` within the block, and on a CPU sum in a fixed order; both are as before afterwards.

    The number of threads is what the process began with, from then on: another count is some library's side effect.

    With more than one thread the gradient of an indexed read adds in any order unless torch is told otherwise. On a GPU
    some sums have no ordered form, so there equal numbers are not promised.
    """
    before = torch.are_deterministic_algorithms_enabled()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(THREADS)
        torch.use_deterministic_algorithms(before or device == "cpu")
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before)
