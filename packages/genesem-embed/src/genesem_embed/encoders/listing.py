"""The models that are on this machine already: how large, under which licence, and how they would fit its memory."""

import ctypes
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from genesem_embed.encoders.card import read_card
from genesem_embed.encoders.device import n_gpus
from genesem_embed.encoders.locate import BUNDLED, Located, locate
from genesem_embed.encoders.placement import loaded_bytes, placements
from genesem_embed.errors import GenesemError


@dataclass(frozen=True, kw_only=True)
class ModelEntry:
    """One model, as a row of the list."""

    name: str
    revision: str
    kind: str
    dim: int
    n_bytes: int
    licence: str
    fits: str
    """The first of ``none``, ``int8`` and ``nf4`` whose weights fit beside what a batch needs; empty if none does."""
    folder: str

    def to_json(self) -> dict[str, object]:
        """Return the entry as plain JSON values."""
        return asdict(self)


def list_models() -> list[ModelEntry]:
    """Return the bundled model, if it is installed, and every whole model in the Hugging Face cache."""
    rooms = _gpu_bytes() or [_ram_bytes()]
    dtype = "bfloat16" if n_gpus() else "float32"
    entries = []
    for name in (BUNDLED, *sorted(map(str, hub_cache().glob("models--*/snapshots/*")))):
        try:
            entries.append(_entry(locate(name), rooms, dtype))
        except GenesemError:  # not installed, half downloaded, or not a model of ours
            continue
    return entries


def hub_cache() -> Path:
    """Return the folder in which huggingface_hub keeps models."""
    if found := os.environ.get("HF_HUB_CACHE"):
        return Path(found)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


def _entry(found: Located, rooms: list[int], dtype: str) -> ModelEntry:
    card = read_card(found.folder)
    files = list(found.folder.glob("*.safetensors"))
    if not files:
        raise GenesemError
    n_bytes = sum(file.stat().st_size for file in files)
    held = str(card.config.get("dtype") or card.config.get("torch_dtype") or "float32")
    fits = (
        quantization
        for quantization in ("none", "int8", "nf4")
        if placements(loaded_bytes(n_bytes, held, dtype, quantization), rooms) != ["auto"]
    )
    return ModelEntry(
        name=found.name,
        revision=found.revision,
        kind=card.kind,
        dim=card.dim,
        n_bytes=n_bytes,
        licence=_licence(found.folder),
        fits=next(fits, ""),
        folder=str(found.folder),
    )


def _licence(folder: Path) -> str:
    """Return the licence that the model's README names in its head."""
    readme = folder / "README.md"
    head = readme.read_text("utf-8", errors="replace")[:4000] if readme.exists() else ""
    found = re.search(r"^license:\s*(\S+)", head, flags=re.MULTILINE)
    return found.group(1) if found else "unknown"


def _ram_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpu_bytes() -> list[int]:
    """Return the memory of every GPU, asked of the driver."""
    rooms = []
    for gpu in range(n_gpus()):
        driver, handle, room = ctypes.CDLL("libcuda.so.1"), ctypes.c_int(), ctypes.c_size_t()
        if driver.cuDeviceGet(ctypes.byref(handle), gpu) == 0:
            driver.cuDeviceTotalMem_v2(ctypes.byref(room), handle)
            rooms.append(room.value)
    return rooms
