"""Networks of other papers, one file each; `BACKBONES` names those that `--backbone` takes."""

from collections.abc import Mapping
from types import MappingProxyType

from genesem_train.models.backbone import Backbone
from genesem_train.models.backbones.stagate import Stagate
from genesem_train.models.semst import SemST

BACKBONES: Mapping[str, type[Backbone]] = MappingProxyType({"semst": SemST, "stagate": Stagate})

__all__ = ["BACKBONES", "Stagate"]
