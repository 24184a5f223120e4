"""Ed25519 signatures on refs: who published the list, not whether the vectors in it are right.

A ref fixes every byte that it reaches by its digest, so one signature covers them all. It proves that the holder of
the private key listed exactly these digests under this name. It does not prove which model made the vectors (`audit`
samples that), nor that this ref is the newest one.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genesem_embed.errors import InputError, IntegrityError, MissingExtraError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

Signer = Callable[[bytes], dict[str, str]]
"""Gives the fields ``public_key`` and ``signature`` of a signed ref."""


def signer(path: Path) -> Signer:
    """Return the signer for an unencrypted Ed25519 private key, in PEM or OpenSSH form."""
    key = _private_key(path)
    public = key.public_key().public_bytes_raw().hex()
    return lambda content: {"public_key": public, "signature": key.sign(content).hex()}


def trusted_key(key: str) -> str:
    """Return the raw Ed25519 public key that `key` names, in hexadecimal: a file (PEM or OpenSSH) or 64 digits."""
    if len(key) == 64 and set(key.lower()) <= set("0123456789abcdef"):
        return key.lower()
    return _public_key(Path(key)).public_bytes_raw().hex()


def check_signature(value: Mapping[str, Any], content: bytes, trusted: str, what: str) -> None:
    """Raise unless `value` carries the trusted key's signature over `content`.

    Raises
    ------
    IntegrityError
        Not signed, signed by another key, or the signature does not fit.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    found = value.get("public_key")
    if found != trusted:
        state = f"is signed by {str(found)[:16]}" if found else "is not signed"
        msg = f"{what} {state}; expected a signature of {trusted[:16]}; ask its publisher, or pull without --trust"
        raise IntegrityError(msg)
    try:
        signature = bytes.fromhex(str(value.get("signature")))
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(trusted)).verify(signature, content)
    except (InvalidSignature, ValueError):
        msg = f"{what} carries a signature that does not fit its content; it was changed after it was signed"
        raise IntegrityError(msg) from None


def _private_key(path: Path) -> "Ed25519PrivateKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = _load(path, "private")
    if not isinstance(key, Ed25519PrivateKey):
        msg = f"{path} holds no Ed25519 private key; make one with: ssh-keygen -t ed25519 -N '' -f KEY"
        raise InputError(msg)
    return key


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key = _load(path, "public")
    if not isinstance(key, Ed25519PublicKey):
        msg = f"{path} holds no Ed25519 public key; expected a .pub file of ssh-keygen, a PEM file, or 64 hex digits"
        raise InputError(msg)
    return key


def _load(path: Path, kind: str) -> object:
    """Return the key in a PEM or OpenSSH file, or None if there is none that can be read."""
    try:
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives import serialization as forms
    except ImportError as error:
        msg = 'signatures need cryptography, which is not installed; run: pip install "genesem-embed[sign]"'
        raise MissingExtraError(msg) from error
    try:
        data = path.read_bytes()
    except OSError as error:
        msg = f"the {kind} key {path} cannot be read: {error.strerror}"
        raise InputError(msg) from None
    openssh = data.startswith((b"ssh-", b"-----BEGIN OPENSSH"))
    try:
        if kind == "public":
            return forms.load_ssh_public_key(data) if openssh else forms.load_pem_public_key(data)
        return forms.load_ssh_private_key(data, None) if openssh else forms.load_pem_private_key(data, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None
