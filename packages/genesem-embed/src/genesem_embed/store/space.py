"""Space: everything but the text that decides a vector, and its id."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

from genesem_embed.errors import InputError, IntegrityError
from genesem_embed.store.files.canonical import canonical_json, is_digest, parse_json, sha256_hex

Style = Literal["chat", "instruct", "plain"]
Pooling = Literal["mean", "last", "user-mean"]
ComputeDtype = Literal["float32", "bfloat16", "float16"]
Quantization = Literal["none", "int8", "nf4"]
Precision = Literal["float16", "float32"]

MAX_DIM = 65_536

_CHOICES = {
    "style": get_args(Style),
    "pooling": get_args(Pooling),
    "compute_dtype": get_args(ComputeDtype),
    "quantization": get_args(Quantization),
    "precision": get_args(Precision),
}
_DIGESTS = ("tokenizer_sha256", "template_sha256", "adapter_sha256")


@dataclass(frozen=True, kw_only=True)
class Space:
    """What decides a vector besides its text; two spaces with equal fields have equal ids."""

    model: str
    revision: str
    weights_sha256: tuple[tuple[str, str], ...]
    """File name and SHA-256 of every weight file."""
    tokenizer_sha256: str
    template_sha256: str = ""
    """Empty: the model has no chat template."""
    style: Style
    pooling: Pooling
    layer: int = -1
    """-1 is the last one."""
    normalise: bool
    compute_dtype: ComputeDtype
    quantization: Quantization = "none"
    adapter_sha256: str = ""
    max_tokens: int
    truncation: str = "error"
    precision: Precision = "float16"
    dim: int
    engine: str = "transformers"
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Room for what later models need; part of the id when it is not empty."""

    def __post_init__(self) -> None:
        """Refuse values that no encoder could have meant."""
        files = tuple(sorted((str(name), str(digest)) for name, digest in self.weights_sha256))
        object.__setattr__(self, "weights_sha256", files)
        for problem in _problems(self):
            msg = f"a space cannot be made: {problem}"
            raise InputError(msg)

    def to_json(self) -> bytes:
        """Return the canonical JSON whose hash is the id."""
        return canonical_json({**asdict(self), "extra": dict(self.extra)})

    @property
    def id(self) -> str:
        """The SHA-256 of the canonical JSON, in hexadecimal."""
        return sha256_hex(self.to_json())

    @classmethod
    def from_json(cls, data: bytes) -> "Space":
        """Return the space in `data`; its bytes must be the canonical ones.

        Raises
        ------
        IntegrityError
            A field is unknown, missing or of the wrong kind, or the JSON is not canonical.
        """
        value = parse_json(data, "a space")
        names = {entry.name for entry in fields(cls)}
        if set(value) != names:
            msg = f"a space has other fields than this version knows: {sorted(set(value) ^ names)}; upgrade genesem"
            raise IntegrityError(msg)
        try:
            space = cls(**{**value, "weights_sha256": tuple(tuple(pair) for pair in value["weights_sha256"])})
        except (InputError, TypeError, ValueError) as error:
            msg = f"a space cannot be read: {error}"
            raise IntegrityError(msg) from None
        if space.to_json() != data:
            msg = "a space is not written in canonical JSON, so its name cannot be its hash"
            raise IntegrityError(msg)
        return space


def _problems(space: Space) -> list[str]:
    found = [
        f"{name} is {getattr(space, name)!r}; expected one of {', '.join(known)}"
        for name, known in _CHOICES.items()
        if getattr(space, name) not in known
    ]
    found += [
        f"{name} is {getattr(space, name)!r}; expected a SHA-256 or nothing"
        for name in _DIGESTS
        if getattr(space, name) != "" and not is_digest(getattr(space, name))
    ]
    found += [
        f"weight file {name} has the hash {digest!r}" for name, digest in space.weights_sha256 if not is_digest(digest)
    ]
    whole = {"dim": (1, MAX_DIM), "max_tokens": (1, 2**31), "layer": (-1024, 1024)}
    found += [
        f"{name} is {getattr(space, name)!r}; expected a whole number from {low} to {high}"
        for name, (low, high) in whole.items()
        if not _is_whole(getattr(space, name), low, high)
    ]
    words = ("model", "revision", "truncation", "engine")
    found += [
        f"{name} is {getattr(space, name)!r}; expected text"
        for name in words
        if not isinstance(getattr(space, name), str)
    ]
    kinds = {"normalise": bool, "extra": Mapping}
    found += [
        f"{name} is {getattr(space, name)!r}"
        for name, kind in kinds.items()
        if not isinstance(getattr(space, name), kind)
    ]
    return found


def _is_whole(value: object, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
