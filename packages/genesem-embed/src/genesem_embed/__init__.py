"""Language-model vectors of gene texts, built once and kept in a store that labs can share.

Importing this package loads neither torch nor scanpy; the modules load what they need.
"""

__version__ = "0.1.0"
__all__ = ["__version__"]
