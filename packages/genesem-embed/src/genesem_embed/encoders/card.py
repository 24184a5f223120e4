"""What the files in a model's folder say about it; nothing here loads a weight."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genesem_embed.encoders.hashes import file_sha256
from genesem_embed.errors import ModelUnavailableError

# Keys of config.json that say how a file was written, not what the model computes.
_UNTOLD = ("transformers_version", "_name_or_path", "torch_dtype", "dtype", "use_cache", "_attn_implementation")
_MAX_SANE_LENGTH = 10_000_000  # tokenizers without a limit write 1e30


@dataclass(frozen=True, kw_only=True)
class Card:
    """The settings of a model as its own files give them."""

    folder: Path
    config: dict[str, Any]
    tokenizer_config: dict[str, Any]
    chat_template: str | None
    pooling: str | None
    """As its sentence-transformers files say; None where it has none."""
    normalise: bool
    max_tokens: int | None
    """As its sentence-transformers files say."""

    @property
    def dim(self) -> int:
        """Width of its hidden states."""
        text = self.config.get("text_config", self.config)
        for name in ("hidden_size", "d_model", "n_embd", "dim"):
            if isinstance(text.get(name), int):
                return int(text[name])
        msg = f"{self.folder}/config.json names no hidden size; this kind of model ({self.kind}) cannot be used"
        raise ModelUnavailableError(msg)

    @property
    def n_layers(self) -> int | None:
        """How many layers it has, as far as its config says."""
        text = self.config.get("text_config", self.config)
        found = [text[name] for name in ("num_hidden_layers", "n_layer", "n_layers") if isinstance(text.get(name), int)]
        return int(found[0]) if found else None

    @property
    def kind(self) -> str:
        """The model type, such as ``qwen3`` or ``bert``."""
        return str(self.config.get("model_type", "unknown"))

    @property
    def n_positions(self) -> int:
        """The longest text that the model can take, in tokens."""
        text = self.config.get("text_config", self.config)
        limits = [text.get("max_position_embeddings"), text.get("n_positions"), self._tokenizer_limit()]
        return min([int(limit) for limit in limits if limit], default=_MAX_SANE_LENGTH)

    def weights(self) -> tuple[tuple[str, str], ...]:
        """Return name and SHA-256 of every weight file, and of the settings the weights are run with."""
        files = sorted(self.folder.glob("*.safetensors"))
        if not files:
            msg = (
                f"{self.folder} holds no weights (*.safetensors); download them whole, or write older formats anew "
                "with AutoModel.from_pretrained(...).save_pretrained(...)"
            )
            raise ModelUnavailableError(msg)
        told = {key: value for key, value in self.config.items() if key not in _UNTOLD}
        settings = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
        return (("config.json", settings), *((file.name, file_sha256(file)) for file in files))

    def _tokenizer_limit(self) -> int | None:
        limit = self.tokenizer_config.get("model_max_length")
        return int(limit) if limit is not None and limit < _MAX_SANE_LENGTH else None


def read_card(folder: Path) -> Card:
    """Return what the files in `folder` say.

    Raises
    ------
    ModelUnavailableError
        A file is not JSON, or asks for a step that this package has not: pooling by the first token, a dense layer.
    """
    tokenizer_config = _read(folder / "tokenizer_config.json")
    modules = [_Module(folder, entry) for entry in _read_list(folder / "modules.json")]
    for module in modules:
        if module.kind not in ("Transformer", "Pooling", "Normalize"):
            msg = f"{folder}/modules.json asks for a {module.kind} layer, which is not supported; choose another model"
            raise ModelUnavailableError(msg)
    limit = _read(folder / "sentence_bert_config.json").get("max_seq_length")
    return Card(
        folder=folder,
        config=_read(folder / "config.json"),
        tokenizer_config=tokenizer_config,
        chat_template=_chat_template(folder, tokenizer_config),
        pooling=next((module.pooling() for module in modules if module.kind == "Pooling"), None),
        normalise=any(module.kind == "Normalize" for module in modules),
        max_tokens=int(limit) if limit else None,
    )


def adapter_sha256(folder: Path) -> str:
    """Return one SHA-256 over the settings and the weights of a LoRA adapter.

    Raises
    ------
    ModelUnavailableError
        The folder holds no adapter.
    """
    files = [folder / name for name in ("adapter_config.json", "adapter_model.safetensors")]
    for file in files:
        if not file.exists():
            msg = f"{folder} holds no adapter: no {file.name} in it; expected a folder written by genesem-embed tune"
            raise ModelUnavailableError(msg)
    told = {key: value for key, value in _read(files[0]).items() if key != "base_model_name_or_path"}
    settings = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()
    return hashlib.sha256(f"{settings} {file_sha256(files[1])}".encode()).hexdigest()


class _Module:
    """One entry of modules.json."""

    def __init__(self, folder: Path, entry: dict[str, Any]) -> None:
        self.kind = str(entry.get("type", "")).rpartition(".")[2]
        self.folder = folder / str(entry.get("path", ""))

    def pooling(self) -> str:
        settings = _read(self.folder / "config.json")
        named = settings.get("pooling_mode")
        modes = {named} if isinstance(named, str) else {mode for mode, on in settings.items() if on is True}
        if modes & {"mean", "pooling_mode_mean_tokens"} and len(modes - {"include_prompt"}) == 1:
            return "mean"
        if modes & {"lasttoken", "pooling_mode_lasttoken"} and len(modes - {"include_prompt"}) == 1:
            return "last"
        msg = f"{self.folder}/config.json asks for the pooling {sorted(modes)}; supported are mean and last token"
        raise ModelUnavailableError(msg)


def _chat_template(folder: Path, tokenizer_config: dict[str, Any]) -> str | None:
    beside = folder / "chat_template.jinja"
    if beside.exists():
        return beside.read_text("utf-8")
    found = tokenizer_config.get("chat_template")
    if isinstance(found, list):
        found = next((entry["template"] for entry in found if entry.get("name") == "default"), None)
    return found


def _read(path: Path) -> dict[str, Any]:
    value = _parse(path)
    return value if isinstance(value, dict) else {}


def _read_list(path: Path) -> list[dict[str, Any]]:
    value = _parse(path)
    return value if isinstance(value, list) else []


def _parse(path: Path) -> object:
    try:
        return json.loads(path.read_text("utf-8")) if path.exists() else None
    except ValueError as error:
        msg = f"{path} is not JSON ({error}); download the model again"
        raise ModelUnavailableError(msg) from None
