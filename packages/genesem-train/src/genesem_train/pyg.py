"""PyG's graph layers, without what their import drags in.

Importing torch_geometric (2.6 to 2.8) imports its `llm` subpackage, which imports transformers wherever that is
installed; a training process has no use for a language model. It also scripts a class, which torch calls deprecated.
"""

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def _hidden(module: str) -> Iterator[None]:
    """Let imports of `module` fail as if it were not installed, unless it is loaded already."""
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # Python's way to say: not to be found
    try:
        yield
    finally:
        del sys.modules[module]


with _hidden("transformers"), warnings.catch_warnings():
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    from torch_geometric.nn import MessagePassing
    from torch_geometric.utils import softmax

__all__ = ["MessagePassing", "softmax"]
