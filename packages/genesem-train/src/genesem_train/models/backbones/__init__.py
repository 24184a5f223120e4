"""Published networks, one file each: a file here is a name that `--backbone` takes.

Such a file defines one `Backbone` and says there all that is its own: what it reads of a slide (`views`), how it is
made of the settings (`from_settings`), its loss, and what its training needs (`clip_norm`). A preset of the same name
under ``presets/`` is what `--backbone` takes where no other is named.
"""

from importlib import import_module

from genesem_train.models.backbone import Backbone


def backbone_class(name: str) -> type[Backbone]:
    """Return the network that the file `name` of this folder defines."""
    module = import_module(f"{__name__}.{name}")
    classes = [value for value in vars(module).values() if isinstance(value, type) and issubclass(value, Backbone)]
    (found,) = (value for value in classes if value.__module__ == module.__name__)
    return found
