"""Spatial models trained on stored language-model vectors, with no language model installed."""

__version__ = "0.1.0"
__all__ = ["__version__"]
