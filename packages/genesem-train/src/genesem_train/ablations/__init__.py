"""What the semantics, their way in and their texts are worth: the grids of the paper's tables, over seeds."""

from genesem_train.ablations.grid import TABLES
from genesem_train.ablations.run import run_domain_ablations
from genesem_train.ablations.table import terminal_lines

__all__ = ["TABLES", "run_domain_ablations", "terminal_lines"]
