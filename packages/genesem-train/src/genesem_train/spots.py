"""Slide to what the network sees: kept spots, variable genes, coordinates, and the annotation that only scores see."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData
from jaxtyping import Float, Int

from genesem_embed.datasets import find_dataset, is_registered, labels, preprocess
from genesem_train.baselines import smooth_components
from genesem_train.config import FitConfig
from genesem_train.errors import ConfigError
from genesem_train.n_domains import CANDIDATES, StabilityCurve, choose_n_domains
from genesem_train.slides import OWN_COORDS, rows_of, side_by_side

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Spots:
    """What the network sees of a slide, and what only the scores see."""

    name: str
    data: AnnData
    """Kept spots x variable genes: scaled `X`, raw counts in ``layers["counts"]``."""
    coords: Float[np.ndarray, "spot 2"]
    annotation: "pd.Categorical[str] | None"
    n_domains: int
    stability: StabilityCurve | None = None
    """How `n_domains` was chosen, where nobody said."""
    slides: Mapping[str, Int[np.ndarray, " member"]] = field(default_factory=lambda: MappingProxyType({}))
    """Which spots are of which slide, where there are several."""

    def members(self, slide: str) -> list[str]:
        """Return the names that the kept spots of a slide have in it."""
        if not self.slides:
            return list(self.data.obs_names)
        return [name.removeprefix(f"{slide}/") for name in self.data.obs_names[self.slides[slide]]]

    @property
    def drawn_coords(self) -> Float[np.ndarray, "spot 2"]:
        """Coordinates for figures: several slides close together, side by side."""
        if not self.slides:
            return self.coords
        own = np.asarray(self.data.obsm[OWN_COORDS], dtype=np.float64)
        return side_by_side([own[members] for members in self.slides.values()])

    @property
    def slide_of(self) -> Int[np.ndarray, " spot"]:
        """The number of the slide that each spot is of."""
        numbers = np.zeros(len(self.coords), dtype=np.int64)
        for number, members in enumerate(self.slides.values()):
            numbers[members] = number
        return numbers


def select_spots(slide: AnnData, config: FitConfig) -> Spots:
    """Return the preprocessed spots of `slide`, its annotation, and the number of domains to find.

    Where nobody says how many, it is the number at which the smoothed principal components cluster most stably.

    Raises
    ------
    ConfigError
        When the label key is unknown, it names one domain only, or there are fewer spots than domains.
    """
    key = _label_key(slide, config)
    data = preprocess(slide, config.preprocess, drop_unlabelled=key if config.data.drop_unlabelled else None)
    annotation = labels(data, key) if key else None
    n_domains, stability = _n_domains(slide[data.obs_names], annotation, config)
    return Spots(
        name=slide.uns["genesem"]["name"],
        data=data,
        coords=np.asarray(data.obsm["spatial"], dtype=np.float64),
        annotation=annotation,
        n_domains=n_domains,
        stability=stability,
        slides=rows_of(data),
    )


def tell_poor(domains: Int[np.ndarray, " spot"], spots: Spots) -> None:
    """Warn of domains that are fewer than asked for, and of a slide of several that is one domain alone."""
    found = len(np.unique(domains))
    if found < spots.n_domains:
        msg = (
            f"{found} of the {spots.n_domains} domains asked for were found: spots differ too little to tell more apart"
        )
        warnings.warn(msg, UserWarning, stacklevel=2)
    whole = [name for name, members in spots.slides.items() if len(np.unique(domains[members])) == 1]
    if whole and found > 1:
        library = np.asarray(spots.data.layers["counts"].sum(axis=1)).ravel()
        depths = ", ".join(f"{name} {np.median(library[members]):.0f}" for name, members in spots.slides.items())
        msg = (
            f"all spots of {', '.join(whole)} came into one domain, so the fit tells slides apart, not tissue; median "
            f"counts of a spot: {depths}; nothing is corrected for differences between slides: fit them apart"
        )
        warnings.warn(msg, UserWarning, stacklevel=2)


def _label_key(slide: AnnData, config: FitConfig) -> str | None:
    """Return the column of the annotation; a registered slide may have come without the one that its entry names."""
    key = config.data.label_key
    if key is not None and key not in slide.obs:
        if is_registered(config.dataset) and find_dataset(config.dataset).label_key == key:
            return None
        msg = f"the slide has no obs column {key!r}; found {', '.join(slide.obs.columns) or 'none'}; give --label-key"
        raise ConfigError(msg)
    return key


def _n_domains(
    kept: AnnData, annotation: "pd.Categorical[str] | None", config: FitConfig
) -> tuple[int, StabilityCurve | None]:
    known = 0 if annotation is None else len(annotation.remove_unused_categories().categories)
    wanted = config.data.n_domains or known
    if config.data.candidates is not None or not wanted:
        smoothed = smooth_components(kept, single_cell=config.data.resolution == "single-cell")
        curve = choose_n_domains(smoothed, config.data.candidates or CANDIDATES)
        return curve.best, curve
    if wanted < 2:
        msg = f"the column {config.data.label_key!r} names one domain only; expected at least 2: give --n-domains K"
        raise ConfigError(msg)
    if kept.n_obs <= wanted:
        found = f"the slide has {kept.n_obs} spots for {wanted} domains"
        msg = f"{found}; expected more spots than domains: lower --n-domains"
        raise ConfigError(msg)
    return wanted, None
