"""The network of a model, read from its folder by transformers."""

import contextlib
from typing import cast

import torch

from genesem_embed.encoders.model import Model
from genesem_embed.errors import MissingExtraError, ModelUnavailableError


def load_weights(model: Model) -> torch.nn.Module:
    """Return the network of `model` on its device, ready to run.

    Raises
    ------
    MissingExtraError
        transformers is not installed.
    ModelUnavailableError
        The files do not make a network.
    """
    try:
        from safetensors import SafetensorError
        from transformers import AutoModel
        from transformers.utils import logging
    except ImportError:
        msg = 'encoding needs transformers: pip install "genesem-embed[llm]"'
        raise MissingExtraError(msg) from None
    dtype = getattr(torch, model.space.compute_dtype)
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        network = AutoModel.from_pretrained(model.folder, dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError, KeyError, SafetensorError) as error:
        msg = f"the model in {model.folder} cannot be loaded: {_first_line(error)}"
        raise ModelUnavailableError(msg) from error
    with contextlib.suppress(AttributeError):
        network.config.use_cache = False
    return cast("torch.nn.Module", network.to(model.device).eval())


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
