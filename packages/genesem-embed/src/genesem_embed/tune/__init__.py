"""Fitting a causal language model to labelled texts by a LoRA adapter, which `build --adapter` then encodes with."""

from genesem_embed.tune.options import TuneOptions, TuneReport
from genesem_embed.tune.run import tune

__all__ = ["TuneOptions", "TuneReport", "tune"]
