"""The networks: SemST, its parts, and the ways to bring semantics in."""

from genesem_train.models.backbone import Backbone, Latents, SlideInputs
from genesem_train.models.backbones.semst import SemST
from genesem_train.models.fusion import FineGrainedModulation

__all__ = ["Backbone", "FineGrainedModulation", "Latents", "SemST", "SlideInputs"]
