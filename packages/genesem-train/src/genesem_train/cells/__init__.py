"""Spatial2Sentence on stored vectors: cell type and clinical status from sentences of cells, with honest baselines."""
