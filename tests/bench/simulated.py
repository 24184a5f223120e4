"""Mode `improved` on slides whose domains are known by construction (`tissues.py`, and the demo with other seeds).

    nox -s simulated                                                 # seven kinds of tissue, four slides of each
    nox -s simulated -- 0 10 11 12 --tissues demo
    nox -s simulated -- --rearranged ../shared/data                  # real spots in domains of our own
    nox -s simulated -- --slack 0                                    # smoothed less ([smoothing] of mode improved)

Prints one line a slide and a table over the slides of a kind: the ARI of the consensus of five seeds without semantics,
and that of the baselines.
"""

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import typer
from anndata import AnnData
from gene_halves import lines
from tissues import REARRANGED, TISSUES, rearrange, simulate

from genesem_embed.datasets import make_demo
from genesem_train.config import load_preset
from genesem_train.run import run_fit

DEMO = "demo"
SINGLE_CELL = ("mvc", "mpfc_1", *(name for name, tissue in TISSUES.items() if tissue.place == "cells"))


def draw(kind: str, seed: int, data: Path | None) -> AnnData:
    """Return a slide of a kind, or of the spots of a slide in `data`."""
    if kind == DEMO:
        return make_demo(seed)
    return simulate(TISSUES[kind], seed) if data is None else rearrange(data / f"{kind}.h5ad", seed)


def fit(kind: str, seed: int, data: Path | None, mode: str, slack: float | None) -> dict[str, float]:
    """Return the ARI of a preset's consensus and of the baselines on one slide."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "slide.h5ad"
        draw(kind, seed, data).write_h5ad(path)
        resolution = "single-cell" if kind in SINGLE_CELL else "spot-array"
        config = load_preset(mode, str(path)).with_values("data", label_key="region", resolution=resolution)
        config = config.with_values("smoothing", slack=slack)
        metrics = run_fit(config.with_values("semantics", kind="none"), out=Path(folder) / "out").metrics
    plain = {name: metrics["baseline"][name]["ari"] for name in ("smooth-pca", "pca")}
    return {"method": metrics["consensus"]["ari"], **plain}


def main(
    seeds: Annotated[list[int] | None, typer.Argument(help="Of the slides; 0 to 3 if none is given.")] = None,
    tissues: Annotated[str, typer.Option(help="Kinds, separated by semicolons, or demo.")] = ";".join(TISSUES),
    rearranged: Annotated[Path | None, typer.Option(help="Folder of real slides whose spots to rearrange.")] = None,
    mode: Annotated[str, typer.Option(help="Preset.")] = "improved",
    slack: Annotated[float | None, typer.Option(help="Of mode improved.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
) -> None:
    """Fit every slide and print its scores."""
    kinds = list(REARRANGED) if rearranged else tissues.split(";")
    wanted = {kind: seeds or range(4) for kind in kinds}
    typer.echo(f"| slide | {mode} | smooth-pca | pca |\n|---|---|---|---|")
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = [(k, s, pool.submit(fit, k, s, rearranged, mode, slack)) for k, some in wanted.items() for s in some]
        for kind, seed, future in running:
            scores = future.result()
            typer.echo(f"| {kind}, seed {seed} | {' | '.join(f'{one:.1f}' for one in scores.values())} |")
            found[kind].append({mode: scores["method"], "smooth-pca": scores["smooth-pca"]})
    if all(len(some) > 1 for some in found.values()):
        typer.echo("\n".join(["", *lines(found, mode)]))


if __name__ == "__main__":
    typer.run(main)
