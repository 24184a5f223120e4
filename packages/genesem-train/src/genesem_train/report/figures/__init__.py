"""Every figure of a report: its file name, its words, when it is drawn and by what.

A new figure is one entry in `FIGURES`; the page takes title and caption from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from matplotlib.figure import Figure

from genesem_train.report.figures.canvas import plain_style, save
from genesem_train.report.figures.domains import draw_domains, draw_slides
from genesem_train.report.figures.latent import draw_latent
from genesem_train.report.figures.markers import draw_markers
from genesem_train.report.figures.seeds import draw_confidence, draw_seed_agreement, draw_seed_domains
from genesem_train.report.figures.stability import draw_stability
from genesem_train.report.figures.training import draw_losses, draw_modulation
from genesem_train.report.inputs import ReportInput

__all__ = ["FIGURES", "FigureSpec", "write_figures"]


@dataclass(frozen=True, kw_only=True)
class FigureSpec:
    """One figure: title and caption for the page, `wanted` says whether the fit has what it shows."""

    title: str
    caption: str
    wanted: Callable[[ReportInput], bool]
    draw: Callable[[ReportInput], Figure]


FIGURES: dict[str, FigureSpec] = {
    "domains": FigureSpec(
        title="Domains",
        caption="One colour is one domain in every panel: each labelling is matched one to one to the annotation (to "
        "the method's own domains where there is none) by the number of spots they share.",
        wanted=lambda inputs: True,
        draw=draw_domains,
    ),
    "slides": FigureSpec(
        title="Each slide",
        caption="The domains of each slide; one colour is one domain on all of them. No edge joins two slides.",
        wanted=lambda inputs: len(inputs.slides) > 1,
        draw=draw_slides,
    ),
    "confidence": FigureSpec(
        title="Confidence of the consensus",
        caption="How many of the seeds put a spot into the domain that the consensus gives it. Low values mark borders "
        "and regions that a single run would decide by chance; 0 a spot that no seed by itself puts there.",
        wanted=lambda inputs: inputs.confidence is not None and len(inputs.seed_domains) > 1,
        draw=draw_confidence,
    ),
    "seed-domains": FigureSpec(
        title="Domains of each seed",
        caption="The same slide, the same settings, another random start; colours matched to the consensus.",
        wanted=lambda inputs: len(inputs.seed_domains) > 1,
        draw=draw_seed_domains,
    ),
    "seed-agreement": FigureSpec(
        title="Agreement of the seeds",
        caption="Adjusted Rand index (x 100) between the domains of every two seeds, and with the consensus; no "
        "annotation is involved.",
        wanted=lambda inputs: len(inputs.seed_domains) > 1,
        draw=draw_seed_agreement,
    ),
    "stability": FigureSpec(
        title="How many domains",
        caption="Stability of every number of domains: the mean Fowlkes-Mallows index between clusterings of random "
        "parts of the slide with that number, and with one more or one fewer (band: sd over pairs). The chosen "
        "number is the highest peak. No label is involved, and a flat curve means that other numbers are as good.",
        wanted=lambda inputs: bool(inputs.metrics.get("n_domains_chosen")),
        draw=draw_stability,
    ),
    "markers": FigureSpec(
        title="Marker genes",
        caption="The leading marker genes of the domains, domain by domain; in brackets the label whose colour a "
        "domain has in the maps. Domains were found on the same counts, so these genes describe and prove nothing. The "
        "larger a dot, the more spots of the domain have a count of the gene; the darker, the higher its mean there, "
        "of the highest of all domains.",
        wanted=lambda inputs: inputs.markers is not None,
        draw=draw_markers,
    ),
    "latent": FigureSpec(
        title="Latent space",
        caption="UMAP of the first seed's latent (seeded; at most 10,000 spots, drawn at random). Distances between "
        "far groups mean little in a UMAP.",
        wanted=lambda inputs: len(inputs.latent) > 3,
        draw=draw_latent,
    ),
    "modulation": FigureSpec(
        title="What the semantics do",
        caption="Scale and shift that the language-model vectors put on the latent, over all dimensions (of at most "
        "4,096 spots). Features are multiplied by 1 + alpha and beta is added: where both are near 0, they stay as the "
        "expression made them. Of the first seed, and of its last network where it has several. Dashed: the mean.",
        wanted=lambda inputs: inputs.alpha is not None or inputs.beta is not None,
        draw=draw_modulation,
    ),
    "losses": FigureSpec(
        title="Training",
        caption="Every loss term over the epochs, one line a seed (its last network, where it has several). The "
        "result is that of the last epoch.",
        wanted=lambda inputs: any(inputs.losses.values()),
        draw=draw_losses,
    ),
}


def write_figures(inputs: ReportInput, folder: Path) -> list[Path]:
    """Write every figure that the fit has the values for as `folder`/NAME.png, and return their paths in order."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with plain_style():
        for name, spec in FIGURES.items():
            if spec.wanted(inputs):
                path = folder / f"{name}.png"
                save(spec.draw(inputs), path)
                paths.append(path)
    return paths
