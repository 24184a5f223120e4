"""Every setting of a fit: typed, complete, read from TOML and written back fully resolved.

A preset is one complete file under ``presets/``; nothing is inherited between them. ``config.toml`` beside a result has
the same form, so that ``fit --config config.toml`` repeats the fit. Only `run` and the three modules that tell its
story (`spots`, `methods`, `summary`) see the whole of it; a network is given its own sections, all else values.
"""

from genesem_train.config.backbones import list_backbones
from genesem_train.config.fit_config import FitConfig
from genesem_train.config.presets import list_presets, load_config, load_preset, resolve_config
from genesem_train.config.reading import build_settings
from genesem_train.config.sections import Fusion

__all__ = [
    "FitConfig",
    "Fusion",
    "build_settings",
    "list_backbones",
    "list_presets",
    "load_config",
    "load_preset",
    "resolve_config",
]
