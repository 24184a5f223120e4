"""Mode `improved` on simulated slides, whose domains are known by construction: the demo with other seeds.

    python tests/bench/simulated.py 10 11 12

A slide of its own is drawn for each seed. Prints one line a slide: the ARI of the consensus of five seeds without
semantics, and that of the baselines.
"""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from genesem_embed.datasets import make_demo
from genesem_train.config import load_preset
from genesem_train.run import run_fit


def main(
    seeds: Annotated[list[int], typer.Argument(help="Of the slides.")],
    mode: Annotated[str, typer.Option(help="Preset.")] = "improved",
) -> None:
    """Fit every slide and print its scores."""
    typer.echo(f"| slide | {mode} | smooth-pca | pca |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for seed in seeds:
            path = Path(folder) / f"demo-{seed}.h5ad"
            make_demo(seed).write_h5ad(path)
            config = load_preset(mode, str(path)).with_values("data", label_key="region")
            metrics = run_fit(config.with_values("semantics", kind="none"), out=Path(folder) / str(seed)).metrics
            scores = [metrics["consensus"], *(metrics["baseline"][name] for name in ("smooth-pca", "pca"))]
            cells = [f"{one['ari']:.1f}" for one in scores]
            typer.echo(f"| demo, seed {seed} | {' | '.join(cells)} |")


if __name__ == "__main__":
    typer.run(main)
