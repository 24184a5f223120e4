"""Which device a model runs on, found without torch."""

import ctypes
import functools
from typing import Literal

from genesem_embed.errors import InputError

Device = Literal["cpu", "cuda"]


def find_device(wanted: str) -> Device:
    """Return the device that `wanted` means here; ``auto`` is a GPU where the driver finds one.

    Raises
    ------
    InputError
        Not ``auto``, ``cpu`` or ``cuda``; or ``cuda`` where no GPU is.
    """
    if wanted == "cpu":
        return "cpu"
    if wanted not in ("auto", "cuda"):
        msg = f"unknown device {wanted!r}; expected auto, cpu or cuda"
        raise InputError(msg)
    if n_gpus() > 0:
        return "cuda"
    if wanted == "cuda":
        msg = "device 'cuda' was asked for, but the NVIDIA driver finds no GPU here; use --device cpu or auto"
        raise InputError(msg)
    return "cpu"


@functools.cache
def n_gpus() -> int:
    """Return the number of GPUs that the NVIDIA driver lets this process see."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value
