"""Slides: the registry, downloads, readers, checks, the demo and preprocessing.

The sibling package imports this module and `genesem_embed.store`, no other. Names are loaded when first used, so that
listing data sets does not wait for scanpy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

from genesem_embed.datasets.registry import Dataset, RemoteFile, find_dataset, is_registered, list_datasets
from genesem_embed.errors import GenesemError
from genesem_embed.folders import data_dir as default_data_dir

if TYPE_CHECKING:
    from genesem_embed.datasets.cell_columns import CellColumns
    from genesem_embed.datasets.checks import check_slide
    from genesem_embed.datasets.demo import demo_descriptions, make_demo
    from genesem_embed.datasets.fetch import fetch_dataset
    from genesem_embed.datasets.fingerprint import fingerprint, labels
    from genesem_embed.datasets.options import PreprocessOptions
    from genesem_embed.datasets.preprocess import preprocess
    from genesem_embed.datasets.read import load_slide
    from genesem_embed.datasets.scaling import scale_counts
    from genesem_embed.datasets.splits import assign_folds, draw_sample, fold_rows, split_digest, split_groups
    from genesem_embed.datasets.top_genes import SpotGenes, spot_genes

_LAZY = {
    "CellColumns": "cell_columns",
    "PreprocessOptions": "options",
    "SpotGenes": "top_genes",
    "check_slide": "checks",
    "fetch_dataset": "fetch",
    "fingerprint": "fingerprint",
    "labels": "fingerprint",
    "load_slide": "read",
    "demo_descriptions": "demo",
    "make_demo": "demo",
    "preprocess": "preprocess",
    "scale_counts": "scaling",
    "spot_genes": "top_genes",
    "assign_folds": "splits",
    "draw_sample": "splits",
    "fold_rows": "splits",
    "split_digest": "splits",
    "split_groups": "splits",
}

__all__ = [
    "CellColumns",
    "Dataset",
    "GenesemError",
    "PreprocessOptions",
    "RemoteFile",
    "SpotGenes",
    "assign_folds",
    "check_slide",
    "default_data_dir",
    "demo_descriptions",
    "draw_sample",
    "fetch_dataset",
    "find_dataset",
    "fingerprint",
    "is_registered",
    "fold_rows",
    "labels",
    "list_datasets",
    "load_slide",
    "make_demo",
    "preprocess",
    "scale_counts",
    "split_digest",
    "split_groups",
    "spot_genes",
]


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


class _Package(ModuleType):
    """Keeps a function that is called like its module from being hidden by it once the module is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and name in _LAZY:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
