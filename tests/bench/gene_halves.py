"""How far scores hang on which genes were measured: mode `improved` and `smooth-pca` on random halves of the genes.

    nox -s halves -- ../shared/data --out results/halves

One slide has one score of each method, and a method that is ahead there may be so by luck. Every draw takes half of a
slide's genes, the same for both methods; the difference over draws tells luck from more. Finished fits are kept under
`--out`, so a run that was broken off goes on where it was.
"""

import json
import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import anndata as ad
import numpy as np
import typer
from results_table import METHODS, SLIDES, settings

from genesem_train.run import run_fit
from genesem_train.scores.intervals import mean_and_sd

SEEDS = range(5)
METHOD, BASELINE = "improved", "smooth-pca"


def half_slide(slide: str, data: Path, out: Path, draw: int) -> Path:
    """Return a folder with the slide, of whose genes a random half is left."""
    folder = out / "slides" / str(draw)
    folder.mkdir(parents=True, exist_ok=True)
    whole = ad.read_h5ad(data / f"{slide}.h5ad")
    genes = np.random.default_rng(draw).permutation(whole.n_vars)[: whole.n_vars // 2]
    whole[:, np.sort(genes)].write_h5ad(folder / f"{slide}.h5ad")
    return folder


def fit(slide: str, data: Path, out: Path, draw: int, slack: float | None) -> dict[str, float]:
    """Return the ARI of both methods on one draw: the consensus of five seeds without semantics, and the baseline."""
    folder = out / f"{slide}-{draw}"
    if not (folder / "metrics.json").exists():
        config = settings(METHODS[0], slide, half_slide(slide, data, out, draw), SEEDS)
        config = config.with_values("smoothing", slack=slack).with_values("semantics", kind="none")
        run_fit(config, out=folder)
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    return {METHOD: metrics["consensus"]["ari"], BASELINE: metrics["baseline"][BASELINE]["ari"]}


def lines(found: Mapping[str, Sequence[Mapping[str, float]]], method: str = METHOD) -> Iterator[str]:
    """Yield the table: mean and sd over draws, of the difference too, and in how many draws the method is ahead."""
    yield f"| slide | {method} | {BASELINE} | difference | ahead |"
    yield "|---|---|---|---|---|"
    for slide, draws in found.items():
        pairs = [{**one, "gap": one[method] - one[BASELINE]} for one in draws]
        mean, sd = mean_and_sd(pairs)
        cells = [f"{mean[name]:.1f} ± {sd[name]:.1f}" for name in (method, BASELINE)]
        ahead = sum(one["gap"] > 0 for one in pairs)
        yield f"| {slide} | {' | '.join(cells)} | {mean['gap']:+.1f} ± {sd['gap']:.1f} | {ahead} of {len(pairs)} |"


def main(
    data: Annotated[Path, typer.Argument(help="Folder of the slides.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder of fits and table.")] = Path("results/halves"),
    slides: Annotated[str, typer.Option(help="Comma-separated names.")] = ",".join(SLIDES),
    draws: Annotated[int, typer.Option(min=2, help="Halves of the genes a slide.")] = 10,
    slack: Annotated[float | None, typer.Option(help="Of mode improved; give it an --out of its own.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
) -> None:
    """Fit every draw that is not fitted yet, and write table.md and table.json."""
    names = slides.split(",")
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {slide: [pool.submit(fit, slide, data, out, draw, slack) for draw in range(draws)] for slide in names}
        found = {slide: [one.result() for one in futures] for slide, futures in running.items()}
    table = [*lines(found)]
    (out / "table.md").write_text("\n".join([*table, ""]), "utf-8")
    (out / "table.json").write_text(json.dumps(found), "utf-8")
    typer.echo("\n".join(table))


if __name__ == "__main__":
    typer.run(main)
