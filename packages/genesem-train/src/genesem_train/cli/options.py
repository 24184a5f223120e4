"""The options that several commands share: one name, one help text."""

from pathlib import Path
from typing import Annotated

import typer

Slide = Annotated[
    str,
    typer.Option("--dataset", help="A registered name, or a slide: .h5ad, Visium or Xenium folder, SpatialData .zarr."),
]
Cells = Annotated[str | None, typer.Option("--dataset", help="A registered name, or cells as .h5ad or .csv.")]
SlideOrCells = Annotated[
    str | None, typer.Option("--dataset", help="A registered name, a slide, or cells as .h5ad or .csv.")
]
Slides = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        help="A registered name, or a slide: .h5ad, Visium or Xenium folder, SpatialData .zarr. Repeat it for several.",
    ),
]
Preset = Annotated[
    str | None, typer.Option(help="Complete settings by name. [default: the data set's own, else default]")
]
Config = Annotated[Path | None, typer.Option(help="Complete settings in a TOML file, such as a result's config.toml.")]
Method = Annotated[str | None, typer.Option(help="semst, smooth-pca or pca; spatial2sentence on cells.")]
Mode = Annotated[str | None, typer.Option(help="faithful (the published method) or improved (decided by the slide).")]
Backbone = Annotated[str | None, typer.Option(help="The published network: semst, stagate.")]
Fusion = Annotated[
    str | None, typer.Option(help="How semantics meet the graphs: fsm, concat, add, cross-attention, none.")
]
Clusterer = Annotated[
    str | None, typer.Option(help="From latent to domains: kmeans, or gmm (one covariance for all, as mclust's EEE).")
]
SemanticsKind = Annotated[
    str | None, typer.Option("--semantics", help="Where vectors come from: store, random, unrelated, none.")
]
Recipe = Annotated[str | None, typer.Option(help="Recipe of the collection.")]
Space = Annotated[str | None, typer.Option(help="First characters of the space id, where several fit.")]
Collection = Annotated[str | None, typer.Option(help="First characters of the collection digest, where several fit.")]
TopGenes = Annotated[int | None, typer.Option(min=1, help="Genes per spot of the collection.")]
NDomains = Annotated[
    str | None,
    typer.Option(
        help="Domains to find: a number, or the most stable of a range (4:12) or of 3 to 15 (auto). "
        "[default: as many as there are labels, else auto]"
    ),
]
Seeds = Annotated[str | None, typer.Option("--seeds", help="Comma-separated seeds, e.g. 0,1,2.")]
Epochs = Annotated[
    int | None, typer.Option(min=1, help="Epochs; the last one is the result. Of cells: at most so many.")
]
LabelKey = Annotated[
    str | None,
    typer.Option(help="Column of obs with the annotation, used for scoring only; of cells: their type."),
]
StatusKey = Annotated[str | None, typer.Option(help="Column with the clinical status of a patient (cells).")]
GroupKey = Annotated[str | None, typer.Option(help="Column with the patient of a cell (cells). [default: patient]")]
ImageKey = Annotated[str | None, typer.Option(help="Column with the image of a cell (cells). [default: image]")]
Split = Annotated[
    str | None, typer.Option(help="What folds never divide: patient, image or cell (cells). [default: patient]")
]
Folds = Annotated[int | None, typer.Option(min=2, help="Folds (cells). [default: 5]")]
Sample = Annotated[
    int | None, typer.Option(min=1, help="Use so many cells, drawn at random; neighbours come from all (cells).")
]
Resolution = Annotated[
    str | None, typer.Option(help="single-cell or spot-array: how far the smooth-pca baseline looks.")
]
CountsLayer = Annotated[str | None, typer.Option(help="Layer that holds the raw counts, where X does not.")]
GeneSymbols = Annotated[str | None, typer.Option(help="Column of var that holds gene symbols.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu or cuda.")]
