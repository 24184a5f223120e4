"""A whole fit's settings: sections and what stands above them."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal, Self, cast

import tomli_w

from genesem_embed.datasets import PreprocessOptions
from genesem_train.config.reading import build_settings, plain_values
from genesem_train.config.sections import (
    DataConfig,
    DomainsConfig,
    GraphConfig,
    LossConfig,
    ModelConfig,
    SemanticsConfig,
    SmoothingConfig,
    TrainingConfig,
)
from genesem_train.errors import ConfigError

Method = Literal["semst", "smooth-pca", "pca"]


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """A whole fit."""

    dataset: str
    preset: str
    more_datasets: tuple[str, ...] | None = None
    """Further slides of the same fit."""
    method: Method = "semst"
    mode: Literal["faithful", "improved"] = "faithful"
    """The published method, or the one that the slide itself decides (docs/methods.md); `[graph]` and
    `[loss]` belong to the published one, `[smoothing]` to the other."""
    counts_layer: str | None = None
    gene_symbols: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    preprocess: PreprocessOptions = field(default_factory=PreprocessOptions)
    graph: GraphConfig = field(default_factory=GraphConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    smoothing: SmoothingConfig = field(default_factory=SmoothingConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    domains: DomainsConfig = field(default_factory=DomainsConfig)
    semantics: SemanticsConfig = field(default_factory=SemanticsConfig)

    def __post_init__(self) -> None:
        """Refuse settings that cannot be had together."""
        if self.domains.consensus == "latents" and self.domains.clusterer != "kmeans":
            msg = (
                f'clusterer {self.domains.clusterer} does not go with consensus "latents", that of --mode improved; '
                'expected kmeans: take --clusterer kmeans, or set consensus = "labels" in [domains]'
            )
            raise ConfigError(msg)
        if self.method in ("pca", "smooth-pca") and self.domains.clusterer != "kmeans":
            msg = (
                f"clusterer {self.domains.clusterer} does not go with method {self.method}; expected kmeans, by which "
                "baselines are what every report shows: leave out --clusterer"
            )
            raise ConfigError(msg)
        if self.mode == "improved" and self.model.backbone != "semst":
            msg = (
                f"backbone {self.model.backbone} does not go with mode improved, which has a network of its own; "
                "expected semst there: leave out --mode improved, or --backbone"
            )
            raise ConfigError(msg)
        if self.training.networks > 1 and self.mode == "faithful":
            msg = (
                f"networks is {self.training.networks}; expected 1 in mode faithful, as the published method has one "
                "network a seed: set networks = 1 in [training], or take --mode improved"
            )
            raise ConfigError(msg)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Every slide of the fit, as the user named it."""
        return (self.dataset, *(self.more_datasets or ()))

    @classmethod
    def from_mapping(cls, values: dict[str, Any], *, where: str) -> Self:
        """Return the config that `values` spell; `where` names their source in errors.

        Raises
        ------
        ConfigError
            On an unknown key or a value of the wrong type or choice.
        """
        return cast("Self", build_settings(cls, values, where))

    def with_values(self, section: str | None = None, **values: object) -> Self:
        """Return a copy with the values that are not None set, at the top or in one section."""
        given = {name: value for name, value in values.items() if value is not None}
        if section is None:
            return self.from_mapping({**dataclasses.asdict(self), **given}, where="the command line")
        changed = {**dataclasses.asdict(getattr(self, section)), **given}
        return self.with_values(None, **{section: changed})

    def with_domain_counts(self, count: int | None, candidates: tuple[int, ...] | None) -> Self:
        """Return a copy that finds `count` domains, or as many as is most stable of `candidates`; None leaves both."""
        if count is None and candidates is None:
            return self
        data = dataclasses.replace(self.data, n_domains=count, candidates=candidates)
        return dataclasses.replace(self, data=data)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values, nothing left out but what is None (TOML has no null)."""
        return plain_values(dataclasses.asdict(self))

    def to_toml(self) -> str:
        """Return the config as TOML that `from_mapping` reads back."""
        return tomli_w.dumps(self.to_mapping())
