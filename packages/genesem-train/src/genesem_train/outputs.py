"""A finished fit as a folder: metrics, config, annotated slide, weights, figures and report.

Everything is written into a sibling of the folder and moved into place at the end, so `--out` holds a whole result or
the one from before, never half of one.
"""

import json
import shutil
import tempfile
import tomllib
import uuid
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import tomli_w
from safetensors.torch import load_file, save
from torch import Tensor

from genesem_train.errors import ConfigError
from genesem_train.full_disk import one_line_refusals, write_h5ad
from genesem_train.report import ReportInput, write_figures, write_html
from genesem_train.report.stored import UNS, stored_values
from genesem_train.report.versions import versions
from genesem_train.slides import DOMAIN, GIVEN_DOMAIN, OWN_COORDS

WEIGHTS = "model.safetensors"
SEED = "seed-"
OWN_NAMES = {"metrics.json", "config.toml", "result.h5ad", "model.safetensors", "figures", "report.html", "tables"}


def _takes_files(folder: Path) -> bool:
    """Tell whether something can be written to a folder, by writing to it: rights alone do not say so."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def check_out(out: Path, *, own: Collection[str] = OWN_NAMES, whole: str | None = "metrics.json") -> None:
    """Pass when `out` is free, empty, or an earlier result that may be replaced, and can be written.

    Parameters
    ----------
    own
        What an earlier result may hold.
    whole
        What it must hold; None asks for nothing.

    Raises
    ------
    ConfigError
        When it is a file or the current folder, holds anything else, or lies where nothing can be written.
    """
    if out.resolve() == Path.cwd():
        msg = f"--out {out} is the folder that you are in; expected a folder of its own: give --out a name"
        raise ConfigError(msg)
    existing = next(folder for folder in (out.resolve().parent, *out.resolve().parents) if folder.exists())
    if not _takes_files(existing):
        msg = f"--out {out} cannot be written: {existing} is no folder that you may write to; give another --out"
        raise ConfigError(msg)
    if not out.exists():
        return
    if not out.is_dir():
        msg = f"--out {out} is a file; expected a new folder or an earlier result; give another --out"
        raise ConfigError(msg)
    names = {entry.name for entry in out.iterdir()}
    foreign = sorted(names - set(own))
    if names and (foreign or (whole is not None and whole not in names)):
        msg = (
            f"--out {out} holds what this command does not write ({', '.join((foreign or sorted(names))[:5])}); "
            "expected a new folder or an earlier result; give another --out"
        )
        raise ConfigError(msg)


def default_out(name: str, datasets: Sequence[str]) -> Path:
    """Return ``results/NAME`` for a fit of `datasets`.

    Raises
    ------
    ConfigError
        When the result of another slide of that name lies there: only a place that was named is replaced.
    """
    out = Path("results") / name
    if (config := out / "config.toml").exists():
        held = tomllib.loads(config.read_text("utf-8"))
        before = [str(held.get("dataset")), *held.get("more_datasets", ())]
        if [Path(one).resolve() for one in before] != [Path(one).resolve() for one in datasets]:
            msg = f"{out} holds the result of another slide ({', '.join(before)}); give --out a name of its own"
            raise ConfigError(msg)
    return out


@contextmanager
def replaced_folder(out: Path) -> Iterator[Path]:
    """Give a new folder beside `out` that takes its place when the block ends well, and vanishes when it does not."""
    check_out(out)
    out = out.resolve()
    fresh, former = (out.with_name(f".{out.name}.{uuid.uuid4().hex[:12]}.{role}") for role in ("new", "old"))
    with one_line_refusals(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh.mkdir()
        try:
            yield fresh
            if out.exists():
                out.rename(former)
            fresh.rename(out)
        finally:
            if former.exists() and not out.exists():  # stopped between the two renames
                former.rename(out)
            shutil.rmtree(fresh, ignore_errors=True)
            shutil.rmtree(former, ignore_errors=True)


def write_result(
    out: Path,
    inputs: ReportInput,
    *,
    slide: ad.AnnData,
    weights: Mapping[int, Mapping[str, Tensor]],
    extras: Mapping[str, Tensor] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the whole result of a fit to `out` and return the path of its report.

    Parameters
    ----------
    out
        New, empty, or an earlier result, which is replaced.
    slide
        The spots that were fitted, in the order of `inputs`; its values are written as they are.
    weights
        State dict of each seed; empty for a method without weights, and then no file is written.
    extras, notes
        What else that file is to hold: tensors and texts by name.

    Raises
    ------
    ConfigError
        When `out` holds anything that a fit did not write.
    OutputError
        When the disk is full.
    """
    with replaced_folder(out) as folder:
        write_metrics(folder / "metrics.json", inputs.metrics)
        write_config(folder / "config.toml", inputs.config)
        if inputs.markers is not None:
            (folder / "tables").mkdir()
            inputs.markers.table.to_csv(folder / "tables" / "markers.csv", index=False)
        write_h5ad(annotated(slide, inputs), folder / "result.h5ad")
        if weights:
            save_weights(folder / WEIGHTS, weights, extras, notes)
        write_html(inputs, write_figures(inputs, folder / "figures"), folder / "report.html")
    return out / "report.html"


def write_metrics(path: Path, metrics: Mapping[str, Any]) -> None:
    """Write `metrics` as JSON at full precision; a number that is not finite is our mistake and fails."""
    text = json.dumps(dict(metrics), indent=2, ensure_ascii=False, allow_nan=False, default=_plain_number)
    path.write_text(f"{text}\n", "utf-8")


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved config as TOML under a comment with the versions that used it."""
    used = ", ".join(f"{name} {number}" for name, number in versions().items())
    path.write_text(f"# resolved by {used}\n{tomli_w.dumps(dict(config))}", "utf-8")


def annotated(slide: ad.AnnData, inputs: ReportInput) -> ad.AnnData:
    """Return the slide with `obs["domain"]`, `obs["domain_confidence"]` and `obsm["X_genesem"]`; values are shared.

    A column `domain` that the slide came with is kept as `domain_given`.
    """
    result = ad.AnnData(X=slide.X, obs=slide.obs.copy(), var=slide.var.copy(), obsm=dict(slide.obsm))
    result.uns.update(slide.uns)
    names = [str(value) for value in np.unique(inputs.domains)]
    result.obs = result.obs.rename(columns={DOMAIN: GIVEN_DOMAIN})
    result.obs[DOMAIN] = pd.Categorical(inputs.domains.astype(str), categories=names)
    if inputs.confidence is not None:
        result.obs["domain_confidence"] = inputs.confidence.astype(np.float32)
    if OWN_COORDS in result.obsm:  # side by side is our layout, not the user's
        result.obsm["spatial"] = result.obsm.pop(OWN_COORDS)
    result.uns[UNS] = stored_values(inputs)
    result.obsm["X_genesem"] = np.asarray(inputs.latent, dtype=np.float32)
    return result


def save_weights(
    path: Path,
    weights: Mapping[int, Mapping[str, Tensor]],
    extras: Mapping[str, Tensor] = MappingProxyType({}),
    notes: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Write every seed's state dict as `seed-<n>/<name>`, and further tensors and texts, in one safetensors file."""
    flat = {
        f"seed-{seed}/{name}": tensor.detach().cpu().contiguous()
        for seed, state in weights.items()
        for name, tensor in state.items()
    }
    # the library's own save_file leaves a file that nobody else may read
    path.write_bytes(save({**flat, **extras}, dict(notes) or None))


def load_weights(path: Path) -> dict[int, dict[str, Tensor]]:
    """Return the state dict of every seed from a file of `save_weights`, nothing of its extras."""
    weights: dict[int, dict[str, Tensor]] = {}
    for name, tensor in load_file(path).items():
        seed, _, rest = name.partition("/")
        if not seed.startswith(SEED):
            continue
        weights.setdefault(int(seed.removeprefix(SEED)), {})[rest] = tensor
    return weights


def _plain_number(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    msg = f"{type(value).__name__} has no place in metrics.json"
    raise TypeError(msg)
