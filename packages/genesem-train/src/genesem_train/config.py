"""Every setting of a fit: typed, complete, read from TOML and written back fully resolved.

A preset is one complete file under ``presets/``; nothing is inherited between them. ``config.toml`` beside a result has
the same form, so that ``fit --config config.toml`` repeats the fit. Only `run` and the three modules that tell its
story (`spots`, `methods`, `summary`) see these classes; what they call takes values.
"""

import dataclasses
import difflib
import tomllib
import types
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self, Union, cast, get_args, get_origin

import tomli_w

from genesem_embed.datasets import find_dataset, is_registered
from genesem_train.errors import ConfigError

Method = Literal["semst", "smooth-pca", "pca"]
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
class PreprocessConfig:
    """Genes and values that enter the network."""

    min_cells: int = 10
    n_hvg: int = 3000
    hvg_flavor: Literal["seurat_v3", "seurat"] = "seurat_v3"
    scaling: Literal["released", "log1p"] = "released"


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
    """Expression neighbours: exact up to 20,000 spots, approximate beyond, unless said otherwise."""
    propagation: Literal["row", "symmetric"] = "row"
    self_weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Widths of the network and how semantics enter it."""

    backbone: Literal["semst", "stagate"] = "semst"
    hidden_dim: int = 256
    latent_dim: int = 128
    modulator_ratio: float = 0.5
    fusion: Fusion = "fsm"


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """Form and weight of the three loss terms."""

    form: Literal["released", "paper"] = "released"
    pairs: Literal["auto", "exact", "moments"] = "auto"
    """Spatial term over all pairs, or from their moments; auto takes moments beyond 10,000 spots."""
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
    device: Literal["auto", "cpu", "cuda"] = "auto"


@dataclass(frozen=True, kw_only=True)
class DomainsConfig:
    """From latent to domains."""

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


@dataclass(frozen=True, kw_only=True)
class FitConfig:
    """A whole fit."""

    dataset: str
    preset: str
    more_datasets: tuple[str, ...] | None = None
    """Further slides of the same fit."""
    method: Method = "semst"
    mode: Literal["faithful", "improved"] = "faithful"
    """The published method, or the one that the slide itself decides (docs/methods.md); `[preprocess]`, `[graph]` and
    `[loss]` belong to the published one."""
    counts_layer: str | None = None
    gene_symbols: str | None = None
    data: DataConfig = field(default_factory=DataConfig)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    graph: GraphConfig = field(default_factory=GraphConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)
    domains: DomainsConfig = field(default_factory=DomainsConfig)
    semantics: SemanticsConfig = field(default_factory=SemanticsConfig)

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
        return _plain(dataclasses.asdict(self))

    def to_toml(self) -> str:
        """Return the config as TOML that `from_mapping` reads back."""
        return tomli_w.dumps(self.to_mapping())


def list_presets() -> list[str]:
    """Return the names of the presets."""
    folder = resources.files("genesem_train") / "presets"
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_preset(name: str, dataset: str) -> FitConfig:
    """Return the preset `name` for `dataset`.

    Raises
    ------
    ConfigError
        When there is no such preset; the known ones are listed.
    """
    if name not in list_presets():
        near = difflib.get_close_matches(name, list_presets(), n=1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        msg = f"no preset is called {name!r}{hint}; known: {', '.join(list_presets())}"
        raise ConfigError(msg)
    text = (resources.files("genesem_train") / "presets" / f"{name}.toml").read_text("utf-8")
    values = {**tomllib.loads(text), "dataset": dataset, "preset": name}
    return FitConfig.from_mapping(values, where=f"preset {name}")


def load_config(path: Path, dataset: str | None) -> FitConfig:
    """Return the config in the TOML file `path`; a given `dataset` replaces the one it names.

    Raises
    ------
    ConfigError
        When the file cannot be read, is not TOML, or holds an unknown key or a wrong value.
    """
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path} cannot be read as a TOML config: {error}; a fit writes one as config.toml in its --out folder"
        raise ConfigError(msg) from error
    values.setdefault("preset", path.name)
    if dataset is not None:
        values["dataset"] = dataset
    if "dataset" not in values:
        msg = f"{path} names no dataset; add --dataset NAME or FILE.h5ad"
        raise ConfigError(msg)
    return FitConfig.from_mapping(values, where=str(path))


def resolve_config(
    dataset: str | None, *, preset: str | None = None, path: Path | None = None, mode: str | None = None
) -> FitConfig:
    """Return the config file's settings, or the preset's: the named one, the mode's or data set's own, or ``default``.

    Raises
    ------
    ConfigError
        When both a preset and a file are given, or no data set is named.
    """
    if path is not None and preset is not None:
        msg = "--preset and --config both give complete settings; take one of them"
        raise ConfigError(msg)
    if path is not None:
        return load_config(path, dataset)
    if dataset is None:
        msg = "no data set is named; add --dataset NAME or FILE.h5ad (genesem-embed datasets list shows the names)"
        raise ConfigError(msg)
    entry = find_dataset(dataset) if is_registered(dataset) else None
    own = "improved" if mode == "improved" else entry.preset if entry else None
    config = load_preset(preset or own or "default", dataset)
    if entry is None:
        return config
    resolution = "single-cell" if entry.resolution == "single-cell" else "spot-array"
    return config.with_values("data", label_key=entry.label_key, n_domains=entry.n_domains, resolution=resolution)


def build_settings(cls: Any, values: dict[str, Any], where: str) -> Any:  # noqa: ANN401 (any class of settings)
    """Return the dataclass `cls` from plain values; `where` names their source in errors.

    Raises
    ------
    ConfigError
        On an unknown key or a value of the wrong type or choice.
    """
    fields = {f.name: f for f in dataclasses.fields(cls)}
    for name in values:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=1)
            hint = f"; did you mean {near[0]}?" if near else f"; known: {', '.join(fields)}"
            msg = f"{where}: unknown setting {name!r}{hint}"
            raise ConfigError(msg)
    return cls(**{name: _convert(fields[name].type, value, f"{where}: {name}") for name, value in values.items()})


def _convert(kind: Any, value: Any, where: str) -> Any:  # noqa: ANN401 (one branch a kind of type)
    if dataclasses.is_dataclass(kind):
        return build_settings(kind, value, where)
    if get_origin(kind) in (Union, types.UnionType):
        return None if value is None else _convert(get_args(kind)[0], value, where)
    if get_origin(kind) is Literal:
        return _check(value in get_args(kind), value, f"one of {', '.join(map(str, get_args(kind)))}", where)
    if get_origin(kind) is tuple:
        _check(isinstance(value, (list, tuple)) and len(value) > 0, value, "a list", where)
        return tuple(_convert(get_args(kind)[0], item, where) for item in value)
    if kind is float:
        _check(isinstance(value, (int, float)) and not isinstance(value, bool), value, "a number", where)
        return float(value)
    is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    return _check(is_kind, value, {int: "a whole number", str: "a text", bool: "true or false"}[kind], where)


def _check(passed: bool, value: Any, expected: str, where: str) -> Any:  # noqa: ANN401, FBT001 (a predicate's result)
    if not passed:
        msg = f"{where} is {value!r}; expected {expected}"
        raise ConfigError(msg)
    return value


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in values.items() if value is not None}
    return {
        name: _plain(value) if isinstance(value, dict) else list(value) if isinstance(value, tuple) else value
        for name, value in kept.items()
    }
