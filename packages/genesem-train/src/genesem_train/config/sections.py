"""The sections of a fit's settings: dataclasses whose defaults are the published method's.

`[preprocess]` is `genesem_embed.datasets.PreprocessOptions`.
"""

from dataclasses import dataclass
from typing import Literal

Fusion = Literal["fsm", "concat", "add", "cross-attention", "none"]
SemanticsKind = Literal["store", "random", "unrelated", "none"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """What the slide is and how many domains to find."""

    label_key: str | None = None
    n_domains: int | None = None
    """None finds as many as there are labels; where there are none, the most stable of 3 to 15."""
    candidates: tuple[int, ...] | None = None
    """Numbers of domains to choose from by their stability, whatever `n_domains` and labels say."""
    resolution: Literal["spot-array", "single-cell"] = "spot-array"
    drop_unlabelled: bool = False


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """The two views: who is a spatial neighbour, who is an expression neighbour, and how signals spread."""

    spatial: Literal["radius", "adaptive", "knn"] = "adaptive"
    radius: float | None = None
    """In the units of the coordinates; for ``radius``."""
    spatial_k: int = 15
    """Neighbours for ``knn``; the degree to pass for ``adaptive``."""
    feature_k: int = 15
    feature_method: Literal["auto", "exact", "approximate"] = "auto"
    """Expression neighbours: exact where that takes a minute or two, else approximate."""
    propagation: Literal["row", "symmetric"] = "row"
    self_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Widths of the network and how semantics enter it."""

    backbone: str = "semst"
    """A file of ``models/backbones/``."""
    hidden_dim: int = 256
    latent_dim: int = 128
    modulator_ratio: float = 0.5
    fusion: Fusion = "fsm"
    mixing: Literal["released", "paper"] = "released"
    """From the modulated views to the latent of `semst`: two layers, or the one matrix of equation 9."""


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Form and weight of the three loss terms."""

    form: Literal["released", "paper"] = "released"
    pairs: Literal["auto", "exact", "moments"] = "auto"
    """Spatial term over all pairs, or from their moments; auto takes moments beyond 3,000 spots."""
    zinb: float = 1.0
    spatial: float = 0.1
    correlation: float = 0.1


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """Adam and how long."""

    epochs: int = 200
    lr: float = 1e-3
    weight_decay: float = 5e-4
    seeds: tuple[int, ...] = (0, 1, 2)
    networks: int = 1
    """So many for every seed, clustered together; more than one is for mode `improved`."""
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, kw_only=True)
class SmoothingConfig:
    """How mode `improved` smooths components over the tissue."""

    slack: float = 1.0
    """The mean goes from the least leave-one-out error to smoother ones within so many standard errors; 0: it alone."""


@dataclass(frozen=True, kw_only=True)
class DomainsConfig:
    """From latent to domains."""

    clusterer: Literal["kmeans", "gmm"] = "kmeans"
    """k-means, or a Gaussian mixture whose domains share one covariance, as mclust's EEE has it."""
    vote_neighbours: int = 0
    """Majority vote over so many nearest spots; 0 leaves the domains as they are."""
    consensus: Literal["labels", "latents"] = "labels"
    """Over seeds: of their ``labels`` by co-association, or k-means of their ``latents`` side by side."""


@dataclass(frozen=True, kw_only=True)
class SemanticsConfig:
    """Which stored vectors, or which stand-in for an ablation."""

    kind: SemanticsKind = "store"
    """``unrelated`` are stored vectors too, of the recipe `unrelated-words` whatever `recipe` says."""
    recipe: str = "spot-symbols"
    space: str | None = None
    """First characters of a space id, where the store holds several."""
    collection: str | None = None
    """First characters of a collection digest, where several fit."""
    top_genes: int = 20
    """Genes per spot: of the collection to choose, and over which per-gene vectors are averaged."""
