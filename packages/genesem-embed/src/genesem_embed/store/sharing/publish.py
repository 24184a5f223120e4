"""Publish: put what a store holds under a name that others can pull."""

from pathlib import Path
from typing import TYPE_CHECKING

from genesem_embed.store.files.disk import publish_file
from genesem_embed.store.files.layout import REFS, check_name
from genesem_embed.store.sharing.choice import Filters
from genesem_embed.store.sharing.push import choose_own
from genesem_embed.store.sharing.refs import DEFAULT_REF, Ref
from genesem_embed.store.trust.signatures import signer

if TYPE_CHECKING:
    from genesem_embed.store.store import Store


def publish(
    store: "Store", name: str = DEFAULT_REF, *, collection: str = "", space: str = "", sign: Path | None = None
) -> Ref:
    """Return the ref now published under `name`: everything in the store, or what two globs choose.

    Parameters
    ----------
    collection, space
        Globs over collection names and space ids.
    sign
        File of an unencrypted Ed25519 private key to sign the ref with.
    """
    check_name(name, "ref")
    store.in_place()
    write = signer(sign) if sign else None
    chosen = choose_own(store, Filters(collection=collection, space=space))
    ref = Ref(name=name, spaces=chosen.spaces, segments=chosen.segments, collections=chosen.collections)
    publish_file(store.root, store.root / REFS / f"{name}.json", ref.to_json(write))
    return ref
