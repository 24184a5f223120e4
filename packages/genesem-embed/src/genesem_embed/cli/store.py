"""`genesem-embed info | ls | query | verify`: looking at a store."""

from typing import TYPE_CHECKING, Annotated

import typer

from genesem_embed.cli.console import JsonFlag, StoreOption, columns, say, size

if TYPE_CHECKING:
    from genesem_embed.store import Store


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("info", epilog="Example: `genesem-embed info --store vectors`")(info)
    app.command("ls", epilog="Example: `genesem-embed ls --store vectors`")(list_contents)
    app.command("query", epilog='Example: `genesem-embed query "SELECT count(*) FROM vectors"`')(query)
    app.command("verify", epilog="Example: `genesem-embed verify --store vectors --quick`")(verify)


def _open(place: str | None) -> "Store":
    from genesem_embed.store import Store, default_store

    return Store.open(place or default_store())


def info(store: StoreOption = None, as_json: JsonFlag = False) -> None:
    """Show what a store holds: totals, spaces and collections."""
    with _open(store) as opened:
        facts = opened.info()
    head = f"{facts['store']}: {facts['n_vectors']:,} vectors in {facts['n_segments']} segments, {size(facts['bytes'])}"
    spaces = [
        [s["id"][:12], s["model"], s["dim"], s["precision"], f"{s['n_vectors']:,}", size(s["bytes"])]
        for s in facts["spaces"]
    ]
    collections = [
        [c["name"], c["digest"][:12], c["unit"], f"{c['n']:,}", c["space"][:12]] for c in facts["collections"]
    ]
    lines = [head]
    lines += columns(["space", "model", "dim", "precision", "vectors", "size"], spaces)
    lines += columns(["collection", "digest", "unit", "ids", "space"], collections)
    say(facts, lines, as_json=as_json)


def list_contents(store: StoreOption = None, as_json: JsonFlag = False) -> None:
    """List the spaces, collections and segments of a store with their sizes."""
    with _open(store) as opened:
        entries = opened.ls()
    rows = [[e["kind"], e["name"], e["about"], f"{e['rows']:,}", size(e["bytes"])] for e in entries]
    say({"entries": entries}, columns(["kind", "name", "about", "rows", "size"], rows), as_json=as_json)


def query(
    sql: Annotated[str, typer.Argument(help="Read-only SQL over vectors, texts, spaces, segments, collections.")],
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Run SQL on the index of a store; keys and hashes are hex."""
    with _open(store) as opened:
        table = opened.query(sql)
    rows = table.to_pylist()
    say({"rows": rows}, columns(table.column_names, [list(row.values()) for row in rows]), as_json=as_json)


def verify(
    store: StoreOption = None,
    quick: Annotated[bool, typer.Option("--quick", help="Check presence and size only, not every byte.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Check a store against its own hashes; exit code 1 if anything is wrong."""
    from genesem_embed.store.trust.conflicts import conflict_words

    with _open(store) as opened:
        report = opened.verify(quick=quick)
    looked = f"{report.n_segments} segments, {report.n_vectors:,} vectors, {report.n_collections} collections"
    lines = [f"{problem.place}: {problem.what}" for problem in report.problems]
    lines.append(f"{len(report.problems)} problems in {looked}, {size(report.n_bytes)}")
    lines += conflict_words(report.conflicts)
    lines += [f"note: {note.place}: {note.what}" for note in report.notes]
    say(report.to_json(), lines, as_json=as_json)
    if not report.ok:
        raise typer.Exit(1)
