"""The table of docs/results.md: slides x methods x semantics, five seeds, nothing chosen by a label.

    nox -s results -- ../shared/data --out results/table

Every finished fit is kept under `--out`, so a run that was broken off goes on where it was. One configuration a method
and technology (`METHODS`, `TOP_GENES`, `STARMAP`); the same store serves all.
"""

import json
import multiprocessing
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from results_figure import draw_results

from genesem_train.ablations import run_domain_ablations
from genesem_train.config import FitConfig, resolve_config
from genesem_train.report.figures.canvas import plain_style, save

SLIDES = ("mvc", "mpfc_1", "mob", "her2st_A1", "her2st_B1", "her2st_C1", "her2st_D1")
STARMAP = frozenset({"mvc", "mpfc_1"})
MOUSE = frozenset({"mvc", "mpfc_1", "mob"})
LABELS = "region"
SEMANTICS = {"none": "none", "as configured": "symbols", "gene-summaries": "summaries", "random": "random"}
SEED_GROUPS = (range(5), range(5, 10), range(10, 15))
"""The first is the table's; the others tell how far a consensus hangs on its seeds."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """Preset and epochs of a method for spot arrays and for STARmap slides."""

    name: str
    arrays: tuple[str, int]
    starmap: tuple[str, int]


METHODS = (
    Method(name="improved", arrays=("improved", 100), starmap=("improved", 100)),
    Method(name="semst", arrays=("default", 200), starmap=("mvc", 500)),
    Method(name="stagate", arrays=("stagate", 300), starmap=("stagate", 300)),
)


def top_genes(slide: str) -> int:
    """Return how many genes a text lists: the paper's 30 for STARmap, its 20 elsewhere."""
    return 30 if slide in STARMAP else 20


def build(slide: str, data: Path, store: Path) -> None:
    """Store the vectors of symbols and of summaries by the bundled encoder."""
    organism = ["--organism", "mouse", "--orthologues"] if slide in MOUSE else ["--organism", "human"]
    symbols = ["--top-genes", str(top_genes(slide))]
    summaries = ["--recipe", "gene-summaries", "--gene-table", str(data / "gene_text.parquet"), *organism]
    for texts in (symbols, summaries):
        command = ["genesem-embed", "build", "--dataset", str(data / f"{slide}.h5ad"), "--store", str(store)]
        subprocess.run([*command, "--model", "minilm", *texts], check=True)


def settings(method: Method, slide: str, data: Path, seeds: Sequence[int]) -> FitConfig:
    """Return the settings of a method for a slide."""
    preset, epochs = method.starmap if slide in STARMAP else method.arrays
    resolution = "single-cell" if slide in STARMAP else "spot-array"
    config = resolve_config(str(data / f"{slide}.h5ad"), preset=preset, path=None)
    config = config.with_values("data", label_key=LABELS, resolution=resolution)
    config = config.with_values("training", seeds=tuple(seeds), epochs=epochs)
    return config.with_values("semantics", top_genes=top_genes(slide))


def fit(method: Method, slide: str, data: Path, store: Path, out: Path, group: int) -> dict[str, Any]:
    """Return the rows of one method on one slide; without semantics only, past the first group of seeds."""
    return run_domain_ablations(
        settings(method, slide, data, list(SEED_GROUPS[group])),
        store_place=str(store),
        out=out / f"{slide}-{method.name}-{group}",
        tables=("semantics", "texts") if group == 0 else (),
    )


def lines(results: dict[tuple[str, str], dict[str, Any]]) -> Iterator[str]:
    """Yield the table: mean and sd over seeds of ARI x 100, in brackets the consensus, or the best of 50 starts."""
    yield f"| slide | method | {' | '.join(SEMANTICS.values())} |"
    yield "|---|---|" + "---|" * len(SEMANTICS)
    slides = dict.fromkeys(slide for slide, _ in results)
    for slide in slides:
        some = next(found for (of, _), found in results.items() if of == slide)
        for name, scores in some["baseline"].items():
            cell = f"{scores['mean']['ari']:.1f} ± {scores['sd']['ari']:.1f} ({scores['ari']:.1f})"
            yield f"| {slide} | {name} | {cell} |" + " |" * (len(SEMANTICS) - 1)
        for method in METHODS:
            if found := results.get((slide, method.name)):
                yield f"| {slide} | {method.name} | {' | '.join(_cells(found))} |"


def steadiness(results: dict[tuple[str, int], dict[str, Any]]) -> Iterator[str]:
    """Yield the consensus of three groups of seeds, improved mode without semantics, and its lead over smoothing."""
    yield "| slide | seeds 0-4 | 5-9 | 10-14 | sd | smooth-pca | 0-4 minus smooth-pca (95 % over blocks of tissue) |"
    yield "|---|---|---|---|---|---|---|"
    for slide in dict.fromkeys(slide for slide, _ in results):
        groups = [results[slide, group] for group in range(len(SEED_GROUPS))]
        scores = [found["rows"]["none"]["consensus"]["ari"] for found in groups]
        plain = groups[0]["baseline"]["smooth-pca"]["ari"]
        gap = groups[0]["rows"]["none"]["over_baseline"]["smooth-pca"]
        cells = [*(f"{one:.1f}" for one in scores), f"{np.std(scores, ddof=1):.1f}", f"{plain:.1f}"]
        yield f"| {slide} | {' | '.join(cells)} | {gap['value']:+.1f} ({gap['low']:+.1f} to {gap['high']:+.1f}) |"


def _cells(found: dict[str, Any]) -> Iterator[str]:
    for name in SEMANTICS:
        row = found["rows"].get(name)
        if row is None:
            yield "–"
        else:
            yield f"{row['mean']['ari']:.1f} ± {row['sd']['ari']:.1f} ({row['consensus']['ari']:.1f})"


def main(
    data: Annotated[Path, typer.Argument(help="Folder of the slides.", exists=True)],
    out: Annotated[Path, typer.Option(help="Folder of fits and table.")] = Path("results/table"),
    slides: Annotated[str, typer.Option(help="Comma-separated names.")] = ",".join(SLIDES),
    methods: Annotated[str, typer.Option(help="Comma-separated names.")] = ",".join(m.name for m in METHODS),
    jobs: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
) -> None:
    """Build the vectors, fit everything that is not fitted yet, and write table.md, table.json and table.png."""
    store, names = out / "store", slides.split(",")
    for slide in names:
        build(slide, data, store)
    wanted = [method for method in METHODS if method.name in methods.split(",")]
    tasks = [(method, slide, 0) for method in wanted for slide in names]
    tasks += [(METHODS[0], slide, group) for slide in names for group in (1, 2) if METHODS[0] in wanted]
    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        running = {(s, m.name, group): pool.submit(fit, m, s, data, store, out, group) for m, s, group in tasks}
        found = {key: future.result() for key, future in running.items()}
    first = {(slide, method): rows for (slide, method, group), rows in found.items() if group == 0}
    table = [*lines(first)]
    if METHODS[0] in wanted:
        table += [
            "",
            *steadiness({(s, group): rows for (s, method, group), rows in found.items() if method == "improved"}),
        ]
    (out / "table.md").write_text("\n".join([*table, ""]), "utf-8")
    (out / "table.json").write_text(json.dumps({"/".join(map(str, key)): rows for key, rows in found.items()}), "utf-8")
    with plain_style():
        save(draw_results(first, SEMANTICS), out / "table.png")
    typer.echo("\n".join(table))


if __name__ == "__main__":
    typer.run(main)
