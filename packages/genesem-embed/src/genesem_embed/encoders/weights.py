"""The network of a model, read from its folder by transformers, quantised and adapted as its space says."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import Any, cast

import torch

from genesem_embed.encoders.model import Model
from genesem_embed.encoders.placement import DeviceMap, loaded_bytes, placements
from genesem_embed.errors import MissingExtraError, ModelUnavailableError


def load_networks(model: Model) -> list[Any]:
    """Return the copies of the network that this machine runs side by side, each on its device.

    Raises
    ------
    MissingExtraError
        transformers, bitsandbytes or peft is not installed.
    ModelUnavailableError
        The files do not make a network.
    """
    free = [torch.cuda.mem_get_info(gpu)[0] for gpu in range(torch.cuda.device_count())]
    return [load_network(model, place) for place in placements(_size(model), free if model.device == "cuda" else [])]


def load_network(model: Model, place: DeviceMap) -> Any:  # noqa: ANN401 - transformers' models have no common type
    """Return one copy of the network at `place`, ready to run."""
    # An adapter is fitted to the language model with its head; the encoder is the part below.
    network = _adapt(load_language_model(model, place), model) if model.adapter else _load(model, place, "AutoModel")
    with contextlib.suppress(AttributeError):
        network.config.use_cache = False
    return network.eval()


def load_language_model(model: Model, place: DeviceMap) -> Any:  # noqa: ANN401 - as above
    """Return the network at `place` with the head that predicts the next token."""
    return _load(model, place, "AutoModelForCausalLM")


def _load(model: Model, place: DeviceMap, kind: str) -> Any:  # noqa: ANN401 - as above
    try:
        import transformers
        from safetensors import SafetensorError
    except ImportError:
        msg = 'encoding needs transformers: pip install "genesem-embed[llm]"'
        raise MissingExtraError(msg) from None
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    # bitsandbytes tells of every matrix product whose input it casts.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    options = {
        "dtype": getattr(torch, model.space.compute_dtype),
        "quantization_config": _quantization(model),
        "device_map": place,
        "local_files_only": True,
        "use_safetensors": True,
    }
    try:
        return getattr(transformers, kind).from_pretrained(model.folder, **options)
    except (OSError, ValueError, RuntimeError, KeyError, ImportError, SafetensorError) as error:
        msg = f"the model in {model.folder} cannot be loaded: {_first_line(error)}"
        raise ModelUnavailableError(msg) from error


def _quantization(model: Model) -> object | None:
    """Return how bitsandbytes is to hold the weights, if it is."""
    if model.space.quantization == "none":
        return None
    from transformers import BitsAndBytesConfig

    if model.space.quantization == "int8":
        options = {"load_in_8bit": True, "llm_int8_threshold": model.space.extra["int8_threshold"]}
    else:
        dtype = getattr(torch, model.space.compute_dtype)
        options = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_compute_dtype": dtype}
    return cast("object", BitsAndBytesConfig(**options))  # type: ignore[no-untyped-call]


def _adapt(network: Any, model: Model) -> Any:  # noqa: ANN401 - as above
    """Return the layers of a language model with the adapter in them, without its head."""
    try:
        from peft import PeftModel
    except ImportError:
        msg = 'an adapter needs peft: pip install "genesem-embed[tune]"'
        raise MissingExtraError(msg) from None
    with quiet_peft():
        adapted = PeftModel.from_pretrained(network, str(model.adapter), local_files_only=True)
    return getattr(adapted.base_model.model, network.base_model_prefix)


@contextlib.contextmanager
def quiet_peft() -> Iterator[None]:
    """Keep to itself what peft has still to rename for transformers 6."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*will be removed in v6", category=FutureWarning)
        yield


def _size(model: Model) -> float:
    files = sum(file.stat().st_size for file in model.folder.glob("*.safetensors"))
    held = str(model.card.config.get("dtype") or model.card.config.get("torch_dtype") or "float32")
    return loaded_bytes(files, held, model.space.compute_dtype, model.space.quantization)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
