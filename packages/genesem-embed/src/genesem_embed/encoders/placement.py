"""Where the copies of a model go: the CPU, every GPU that holds it whole, or spread over all GPUs."""

from collections.abc import Sequence

DeviceMap = str | dict[str, int | str]

# Room for activations beside the weights.
_ROOM = 1.25
_BYTES = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "int8": 1.1, "nf4": 0.6}


def placements(n_bytes: float, free: Sequence[int]) -> list[DeviceMap]:
    """Return one device map per copy of a model of `n_bytes`.

    Parameters
    ----------
    free
        Free bytes of every GPU; none means the CPU.
    """
    if not free:
        return [{"": "cpu"}]
    whole = [gpu for gpu, room in enumerate(free) if n_bytes * _ROOM <= room]
    return [{"": gpu} for gpu in whole] if whole else ["auto"]


def loaded_bytes(file_bytes: int, file_dtype: str, dtype: str, quantization: str) -> float:
    """Return what weight files of `file_dtype` take once they are loaded."""
    held = _BYTES[quantization if quantization in _BYTES else dtype]
    return file_bytes / _BYTES.get(file_dtype, 4.0) * held
