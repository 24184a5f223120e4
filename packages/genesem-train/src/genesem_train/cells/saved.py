"""Fitted models as tensors by name, and back: what `model.safetensors` of a result holds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from genesem_train.cells.config import HeadsConfig
from genesem_train.cells.fold_model import FoldModel
from genesem_train.cells.heads import FittedHeads
from genesem_train.cells.networks import AttentionPool, CellHeads
from genesem_train.cells.pooling import FittedPool, Level
from genesem_train.errors import ConfigError
from genesem_train.outputs import load_weights

LEVELS: tuple[Level, ...] = ("patient", "image")


def weights_of(models: Sequence[FoldModel]) -> dict[str, Tensor]:
    """Return the tensors of one seed: heads, centre, scale and temperatures of each fold, and its attention."""
    return {
        f"fold-{number}/{name}": tensor
        for number, model in enumerate(models)
        for name, tensor in _tensors(model).items()
    }


def load_models(path: Path, n_types: int, n_status: int, options: HeadsConfig) -> list[FoldModel]:
    """Return the models of every seed and fold in the file at `path`.

    Raises
    ------
    ConfigError
        When the file is missing or holds other networks than these classes and settings make.
    """
    if not path.exists():
        msg = f"{path} is missing; expected the folder of a finished fit of cells: name it, or fit again"
        raise ConfigError(msg)
    parts: dict[tuple[int, str], dict[str, Tensor]] = {}
    for seed, state in load_weights(path).items():
        for name, tensor in state.items():
            fold, _, rest = name.partition("/")
            parts.setdefault((seed, fold), {})[rest] = tensor
    try:
        return [_model(parts[key], n_types, n_status, options) for key in sorted(parts)]
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        msg = f"{path} does not hold the heads that its config.toml and metrics.json tell of ({reason}); fit again"
        raise ConfigError(msg) from error


def _tensors(model: FoldModel) -> dict[str, Tensor]:
    heads = model.heads
    found = {
        **heads.heads.state_dict(),
        "centre": torch.from_numpy(heads.mean),
        "scale": torch.from_numpy(heads.scale),
        "temperatures": torch.tensor([heads.type_temperature, heads.status_temperature], dtype=torch.float64),
    }
    for level, pool in model.pools.items():
        if level == "image" and pool is model.pools.get("patient"):
            continue
        state = {**pool.pool.state_dict(), "centre": pool.centre, "spread": pool.spread}
        found |= {f"attention-{level}/{name}": tensor for name, tensor in state.items()}
    return found


def _model(state: Mapping[str, Tensor], n_types: int, n_status: int, options: HeadsConfig) -> FoldModel:
    centre, (type_temperature, status_temperature) = state["centre"], state["temperatures"].tolist()
    heads = CellHeads(
        *(len(centre), n_types, n_status), kind=options.kind, hidden=options.hidden, dropout=options.dropout
    )
    own = {name: tensor for name, tensor in state.items() if name in heads.state_dict()}
    heads.load_state_dict(own)
    fitted = FittedHeads(
        heads=heads,
        mean=centre.numpy(),
        scale=state["scale"].numpy(),
        type_temperature=type_temperature,
        status_temperature=status_temperature,
        losses={},
    )
    pools = {level: pool for level in LEVELS if (pool := _pool(state, level, n_status))}
    if "patient" in pools:
        pools.setdefault("image", pools["patient"])
    return FoldModel(heads=fitted, pools=pools)


def _pool(state: Mapping[str, Tensor], level: Level, n_status: int) -> FittedPool | None:
    begin = f"attention-{level}/"
    own = {name.removeprefix(begin): tensor for name, tensor in state.items() if name.startswith(begin)}
    if not own:
        return None
    centre, spread = own.pop("centre"), own.pop("spread")
    pool = AttentionPool(len(centre), n_status)
    pool.load_state_dict(own)
    return FittedPool(pool=pool, centre=centre, spread=spread)
