"""`genesem-embed compact | gc | diff | audit`: keeping a store in shape and honest."""

from typing import Annotated

import typer

from genesem_embed.cli.console import JsonFlag, StoreOption, columns, say, size


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("compact", epilog="Example: `genesem-embed compact --store vectors`")(compact)
    app.command("gc", epilog="Example: `genesem-embed gc --store vectors --delete`")(collect)
    app.command("diff", epilog="Example: `genesem-embed diff vectors /mnt/other`")(compare)
    app.command("audit", epilog="Example: `genesem-embed audit --store vectors --sample 64`")(check)


def compact(
    target_rows: Annotated[int, typer.Option(min=2, help="Rows of a compacted segment, at most.")] = 65_536,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Join many small segments into few; the old ones stay until `gc --delete`, so readers are not disturbed."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.upkeep.compact import compact as join

    with Store.open(store or default_store(), mode="r+") as opened:
        done = join(opened, target_rows)
    line = f"{done.n_before} small segments are now also {done.n_after} of {done.n_rows:,} rows"
    say(done.to_json(), [line if done.n_before else "nothing to compact"], as_json=as_json)


def collect(
    delete: Annotated[
        bool, typer.Option("--delete", help="Remove what is listed; without it nothing is touched.")
    ] = False,
    older_than: Annotated[float, typer.Option(min=0, help="Keep what is younger than so many hours.")] = 24.0,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List, or remove, segments that no collection or ref reaches, and leftovers of crashes."""
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.upkeep.gc import collect_garbage

    with Store.open(store or default_store(), mode="r+") as opened:
        garbage = collect_garbage(opened, dry_run=not delete, older_than_s=older_than * 3600)
    lines = [*(f"segment {digest}" for digest in garbage.segments), *garbage.leftovers]
    state = "removed" if delete else "could go (run again with --delete)"
    lines.append(
        f"{len(garbage.segments)} segments and {len(garbage.leftovers)} leftovers, {size(garbage.n_bytes)}, {state}"
    )
    say(garbage.to_json(), lines, as_json=as_json)


def compare(
    first: Annotated[str, typer.Argument(help="Path or URL of a store.")],
    second: Annotated[str, typer.Argument(help="Path or URL of another.")],
    as_json: JsonFlag = False,
) -> None:
    """Show what only one of two stores has."""
    from genesem_embed.store import Store
    from genesem_embed.store.upkeep.diff import diff

    with Store.open(first) as one, Store.open(second) as two:
        found = diff(one, two)
    rows = [[space[:12], *counts.values()] for space, counts in found["vectors"].items()]
    lines = columns(["space", f"only {first}", f"only {second}", "both"], rows)
    for side, place in {"only_first": first, "only_second": second}.items():
        lines += [f"collection {name} only in {place}" for name in found["collections"][side]]
    say(found, lines or ["both are empty"], as_json=as_json)


def check(
    sample: Annotated[int, typer.Option(min=1, help="Texts of each space to encode again.")] = 32,
    model: Annotated[str | None, typer.Option(help="Model to encode with. [default: each space's own]")] = None,
    seed: Annotated[int, typer.Option(help="Which texts are drawn.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Encode a sample of the stored texts again and report the cosines; exit code 1 if one is under 0.999, or none."""
    from genesem_embed.encoders.device import find_device
    from genesem_embed.reencode import Reencoder
    from genesem_embed.store import Store, default_store
    from genesem_embed.store.trust.audit import audit

    find_device(device)  # a wrong one is no reason to skip a space
    encode = Reencoder(model, device)
    with Store.open(store or default_store()) as opened:
        found = audit(opened, encode, sample, seed)
    lines = []
    for space in found:
        if space.lowest_cosine is None:
            lines.append(
                f"{space.space[:12]} {space.model}: not audited: {encode.skipped.get(space.space, 'no texts')}"
            )
        else:
            lines.append(
                f"{space.space[:12]} {space.model}: {space.n_sampled} texts, cosine {space.lowest_cosine:.6f} lowest, "
                f"{space.mean_cosine:.6f} mean, {space.n_suspicious} under 0.999"
            )
    say({"spaces": [space.to_json() for space in found], "skipped": encode.skipped}, lines, as_json=as_json)
    audited = [space for space in found if space.lowest_cosine is not None]
    if not all(space.ok for space in found) or (found and not audited):
        raise typer.Exit(1)
