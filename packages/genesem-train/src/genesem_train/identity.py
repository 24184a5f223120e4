"""What decides the result of a fit, as one digest: only by it is a checkpoint or a kept record taken up again."""

import hashlib
import json

import numpy as np

from genesem_train import __version__
from genesem_train.config import FitConfig
from genesem_train.semantics import Semantics
from genesem_train.spots import Spots


def fit_identity(config: FitConfig, fingerprint: str, spots: Spots, semantics: Semantics | None) -> str:
    """Return the SHA-256, in hex, of all that a fit follows from but how long and from which seeds it trains.

    That is every other setting, the slide's counts (its `fingerprint`), which spots are kept, where they lie and of
    which slide they are, the number of domains, the vectors, and the version of this package. What the annotation says
    of a spot does not enter: it decides scores alone.
    """
    settings = config.to_mapping()
    training = {name: value for name, value in settings["training"].items() if name not in ("epochs", "seeds")}
    facts = {
        "version": __version__,
        "settings": settings | {"training": training},
        "slide": fingerprint,
        "spots": _digest("\0".join(spots.data.obs_names).encode()),
        "coords": _digest(np.ascontiguousarray(spots.coords, dtype="<f8").tobytes()),
        "slide_of": _digest(spots.slide_of.astype("<i8").tobytes()),
        "n_domains": spots.n_domains,
        "collection": semantics.collection if semantics else None,
    }
    if config.semantics.kind == "random":
        facts["drawn"] = config.training.seeds[0]  # which the vectors are drawn from
    return _digest(json.dumps(facts, sort_keys=True).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
