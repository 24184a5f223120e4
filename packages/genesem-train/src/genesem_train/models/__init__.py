"""The networks: SemST, its parts, and the ways to bring semantics in."""

from genesem_train.models.fusion import FineGrainedModulation
from genesem_train.models.semst import SemST, SlideInputs

__all__ = ["FineGrainedModulation", "SemST", "SlideInputs"]
