"""`genesem-embed publish | push | pull | merge | export | import`: stores that move between labs."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from genesem_embed.cli.console import JsonFlag, StoreOption, say, size

if TYPE_CHECKING:
    from genesem_embed.store.sharing.choice import Filters
    from genesem_embed.store.sharing.pull import Moved

CollectionGlob = Annotated[str, typer.Option("--collection", help="Glob over collection names.")]
SpaceGlob = Annotated[str, typer.Option("--space", help="Glob over space ids, as abc*.")]
RefName = Annotated[str, typer.Option("--ref", help="Name of a published ref.")]


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("publish", epilog="Example: `genesem-embed publish --ref v1 --store vectors`")(publish)
    app.command("push", epilog="Example: `genesem-embed push s3://lab/vectors --store vectors`")(push)
    app.command("pull", epilog="Example: `genesem-embed pull https://lab.org/vectors --ref v1`")(pull)
    app.command("merge", epilog="Example: `genesem-embed merge /mnt/a s3://lab/b --into vectors`")(merge)
    app.command("export", epilog="Example: `genesem-embed export vectors.tar --store vectors`")(export)
    app.command("import", epilog="Example: `genesem-embed import vectors.tar --store vectors`")(import_file)


def publish(
    ref: Annotated[str, typer.Option("--ref", help="Name to publish under; others pull it.")] = "main",
    collection: CollectionGlob = "",
    space: SpaceGlob = "",
    sign: Annotated[Path | None, typer.Option("--sign", help="Ed25519 private key file to sign the ref with.")] = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Publish what a store holds under a name; a push carries it along."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.sharing.publish import publish as publish_ref

    with Store.open(store or default_store(), mode="r+") as opened:
        made = publish_ref(opened, ref, collection=collection, space=space, sign=sign)
    facts = {"ref": made.name, "n_segments": len(made.segments), "collections": list(made.collections)}
    signed = ", signed" if sign else ""
    say(
        facts,
        [f"ref {made.name}: {len(made.segments)} segments, {len(made.collections)} collections{signed}"],
        as_json=as_json,
    )


def push(
    place: Annotated[str, typer.Argument(help="Path, s3://, gs:// or az:// URL.")],
    ref: RefName = "",
    collection: CollectionGlob = "",
    space: SpaceGlob = "",
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Send what a place lacks: segments first, whatever names them after."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.sharing.push import push as push_to

    with Store.open(store or default_store()) as opened:
        moved = push_to(opened, place, _filters(ref, collection, space), _progress)
    say(moved.to_json(), [f"{place}: {_told(moved)}"], as_json=as_json)


def pull(
    place: Annotated[str, typer.Argument(help="Path or s3://, gs://, az://, http(s)://, hf:// URL.")],
    ref: RefName = "",
    collection: CollectionGlob = "",
    space: SpaceGlob = "",
    trust: Annotated[str | None, typer.Option(help="Ed25519 public key (file or hex) that must have signed.")] = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Fetch what the store lacks; every segment is checked in full before it is published."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.sharing.pull import pull as pull_from
    from genesem_embed.store.sharing.source import open_source

    source = open_source(place)
    with Store.open(store or default_store(), mode="a") as opened:
        moved = pull_from(opened, source, _filters(ref, collection, space, trust), _progress)
    say(moved.to_json(), [f"{place}: {_told(moved)}"], as_json=as_json)


def merge(
    places: Annotated[list[str], typer.Argument(help="Paths and URLs of stores.")],
    into: Annotated[str, typer.Option("--into", help="Path of the store that takes them; made if it is not there.")],
    as_json: JsonFlag = False,
) -> None:
    """Make one store the union of itself and others; report keys that are stored with different vectors."""
    from genesem_embed.store import Store
    from genesem_embed.store.sharing.pull import merge as merge_all
    from genesem_embed.store.trust.conflicts import conflict_facts, conflict_words

    with Store.open(into, mode="a") as opened:
        moved, conflicts = merge_all(opened, places)
    lines = [f"{part.source}: {_told(part)}" for part in moved]
    facts = {"into": into, "moved": [part.to_json() for part in moved], "conflicts": conflict_facts(conflicts)}
    say(facts, lines + conflict_words(conflicts), as_json=as_json)


def export(
    path: Annotated[Path, typer.Argument(help="The archive to write, FILE.tar.")],
    ref: RefName = "",
    collection: CollectionGlob = "",
    space: SpaceGlob = "",
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write a store, or part of it, as one tar file."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.sharing.archive import export_archive

    with Store.open(store or default_store()) as opened:
        n_segments = export_archive(opened, path, _filters(ref, collection, space))
    n_bytes = path.stat().st_size
    facts = {"archive": str(path), "n_segments": n_segments, "bytes": n_bytes}
    say(facts, [f"{path}: {n_segments} segments, {size(n_bytes)}"], as_json=as_json)


def import_file(
    path: Annotated[Path, typer.Argument(help="An archive made by export.")],
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Take in an archive; it is treated as hostile until every byte of it has been checked."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.sharing.archive import import_archive

    with Store.open(store or default_store(), mode="a") as opened:
        moved = import_archive(opened, path, None, _progress)
    say(moved.to_json(), [f"{path}: {_told(moved)}"], as_json=as_json)


def _filters(ref: str, collection: str, space: str, trust: str | None = None) -> "Filters":
    from genesem_embed.store.sharing.choice import Filters
    from genesem_embed.store.trust.signatures import trusted_key

    return Filters(ref=ref, collection=collection, space=space, trust=trusted_key(trust) if trust else None)


def _told(moved: "Moved") -> str:
    return (
        f"{moved.n_segments} segments moved ({size(moved.n_bytes)}), {moved.n_present} were there, "
        f"{moved.n_collections} collections new"
    )


def _progress(done: int, total: int, n_bytes: int) -> None:
    typer.echo(f"segment {done} of {total}, {size(n_bytes)}", err=True)
