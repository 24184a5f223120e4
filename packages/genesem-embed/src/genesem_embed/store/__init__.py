"""Vectors at rest: spaces, keys, segments, collections, and the store that holds them.

The sibling package imports this module and `genesem_embed.datasets`, no other. Nothing here imports torch; DuckDB and
Arrow are loaded when first needed.
"""

from genesem_embed.errors import (
    CollectionMissingError,
    GenesemError,
    IntegrityError,
    NotAStoreError,
    StoreError,
    StoreVersionError,
)
from genesem_embed.folders import default_store
from genesem_embed.store.files.collection import CollectionInfo
from genesem_embed.store.keys import text_keys
from genesem_embed.store.space import Space
from genesem_embed.store.store import Store, is_store

__all__ = [
    "CollectionInfo",
    "CollectionMissingError",
    "GenesemError",
    "IntegrityError",
    "NotAStoreError",
    "Space",
    "Store",
    "StoreError",
    "StoreVersionError",
    "default_store",
    "is_store",
    "text_keys",
]
