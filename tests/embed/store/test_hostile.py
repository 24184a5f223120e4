"""Archives and stores that a stranger could send: each is refused for its own reason, nothing of it is published."""

import gzip
import io
import json
import os
import shutil
import tarfile
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genesem_embed.errors import GenesemError, IntegrityError, StoreError
from genesem_embed.store import Store
from genesem_embed.store.files.arrays import write_array
from genesem_embed.store.files.canonical import canonical_json, sha256_hex
from genesem_embed.store.keys import row_hashes, text_keys
from genesem_embed.store.sharing.archive import export_archive, import_archive
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.source import FolderSource

TEXTS = [f"text number {number}" for number in range(20)]


@pytest.fixture
def stranger(tmp_path, maker):
    """A stranger's store of one segment and one collection, honest so far."""
    with Store.create(tmp_path / "stranger") as opened:
        maker.publish(opened, TEXTS)
        maker.collect(opened, TEXTS)
        publish(opened)
    shutil.rmtree(tmp_path / "stranger" / "tmp")
    (tmp_path / "stranger" / "index.duckdb").unlink(missing_ok=True)
    return tmp_path / "stranger"


@pytest.fixture
def ours(tmp_path, maker):
    """Our own store, with something in it that must not change."""
    with Store.create(tmp_path / "ours") as opened:
        own = maker.in_space(revision="ours")
        own.publish(opened, own.texts(1000))
        yield opened


def published(store):
    """Every file of ours outside the quarantine, with its bytes."""
    paths = [
        path for path in store.root.rglob("*") if path.is_file() and path.relative_to(store.root).parts[0] != "tmp"
    ]
    return {path: path.read_bytes() for path in paths if path.suffix != ".duckdb" and "spaces" not in path.parts}


def segment(root):
    (folder,) = (root / "segments").iterdir()
    return folder


def reseal(folder, **facts):
    """Make the manifest fit what the files are now, and the folder's name fit it, as a clever stranger would."""
    path = folder / "manifest.json"
    manifest = json.loads(path.read_bytes())
    for name, file in manifest["files"].items():
        data = (folder / name).read_bytes()
        file.update(size=len(data), sha256=sha256_hex(data))
    manifest.update(facts)
    path.write_bytes(canonical_json(manifest))
    folder.rename(folder.with_name(sha256_hex(path.read_bytes())))
    for ref in folder.parents[1].glob("refs/*.json"):
        ref.unlink()


def rewrite(folder, name, array, chunk_rows=256):
    target = folder / "vectors.zarr" / name
    shutil.rmtree(target)
    write_array(target, array, chunk_rows)


def texts_table(folder, columns, **options):
    pq.write_table(pa.table(columns), folder / "texts.parquet", **options)


def spoil_vectors(value):
    def spoil(root):
        folder = segment(root)
        vectors = np.ones((20, 8), np.float16)
        vectors[3, 3] = value
        rewrite(folder, "vectors", vectors)
        rewrite(folder, "row_sha", row_hashes(vectors), 4096)
        reseal(folder)

    return spoil


def spoil_keys(order):
    def spoil(root):
        folder = segment(root)
        with Store.open(root) as store:
            keys = store.segment(folder.name).keys.read()
        rewrite(folder, "keys", keys[order], 4096)
        reseal(folder)

    return spoil


def spoil_metadata(old, new):
    def spoil(root):
        folder = segment(root)
        path = folder / "vectors.zarr" / "vectors" / "zarr.json"
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))
        reseal(folder)

    return spoil


def spoil_manifest(**facts):
    return lambda root: reseal(segment(root), **facts)


def spoil_row_sha(root):
    folder = segment(root)
    rewrite(folder, "row_sha", np.zeros((20, 32), np.uint8), 4096)
    reseal(folder)


def spoil_shard(root):
    folder = segment(root)
    path = folder / "vectors.zarr" / "vectors" / "c" / "0" / "0"
    path.write_bytes(path.read_bytes()[:-40])
    reseal(folder)


def spoil_crc(root):
    folder = segment(root)
    path = folder / "vectors.zarr" / "vectors" / "c" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[5] ^= 1
    path.write_bytes(bytes(data))
    reseal(folder)


def spoil_files(root):
    folder = segment(root)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["../../../../etc/cron.d/x"] = manifest["files"]["texts.parquet"]
    (folder / "manifest.json").write_bytes(canonical_json(manifest))
    folder.rename(folder.with_name(sha256_hex((folder / "manifest.json").read_bytes())))


def spoil_sizes(root):
    folder = segment(root)
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["files"]["texts.parquet"]["size"] = 2**49
    (folder / "manifest.json").write_bytes(canonical_json(manifest))
    folder.rename(folder.with_name(sha256_hex((folder / "manifest.json").read_bytes())))


def nest_manifest(root):
    folder = segment(root)
    (folder / "manifest.json").write_bytes(b'{"a":' + b"[" * 7000 + b"]" * 7000 + b"}")
    folder.rename(folder.with_name(sha256_hex((folder / "manifest.json").read_bytes())))


def columns(root):
    return pq.read_table(segment(root) / "texts.parquet").to_pydict()


def spoil_texts(change, **options):
    def spoil(root):
        folder = segment(root)
        table = change(columns(root))
        texts_table(folder, table, **options)
        reseal(folder)

    return spoil


FIELDS = {"key": pa.binary(32), "text": pa.string(), "n_tokens": pa.int32()}


def required(table):
    fields = [pa.field(name, kind, nullable=False) for name, kind in FIELDS.items()]
    return pa.Table.from_pydict(table, schema=pa.schema(fields))


def swapped_texts(table):
    return required({**table, "text": table["text"][::-1]})


def bomb(root):
    """A million repetitions of a long text behind a small file."""
    folder = segment(root)
    text = "x" * 2_000_000
    keys = [b"k" * 32] * 20
    table = required({"key": keys, "text": [text] * 20, "n_tokens": [1] * 20})
    pq.write_table(table, folder / "texts.parquet", compression="zstd", use_dictionary=False)
    reseal(folder)


def spoil_space(root):
    (path,) = (root / "spaces").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"tiny"', b'"huge"'))


def spoil_space_dim(root):
    from genesem_embed.store import Space

    (path,) = (root / "spaces").iterdir()
    space = replace(Space.from_json(path.read_bytes()), dim=9)
    (path.parent / f"{space.id}.json").write_bytes(space.to_json())
    folder = segment(root)
    keys = text_keys(space.id, TEXTS)
    order = np.lexsort(keys.T[::-1])
    rewrite(folder, "keys", keys[order], 4096)
    reseal(folder, space=space.id)


def no_space(root):
    (path,) = (root / "spaces").iterdir()
    path.unlink()


def odd_space(root):
    (path,) = (root / "spaces").iterdir()
    data = b'{"a":' + b"[" * 3000 + b"]" * 3000 + b"}"
    (path.parent / f"{sha256_hex(data)}.json").write_bytes(data)


def collection_path(root):
    (path,) = (root / "collections").glob("*/*.json")
    return path


def recollect(root, **facts):
    path = collection_path(root)
    data = canonical_json({**json.loads(path.read_bytes()), **facts})
    new = path.with_name(f"{sha256_hex(data)}.json")
    path.with_suffix(".parquet").rename(new.with_suffix(".parquet"))
    path.unlink()
    new.write_bytes(data)


def spoil_collection_keys(root):
    path = collection_path(root)
    table = {"id": [str(n) for n in range(20)], "key": [bytes([n]) * 32 for n in range(20)]}
    schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("key", pa.binary(32), nullable=False)])
    pq.write_table(pa.Table.from_pydict(table, schema=schema), path.with_suffix(".parquet"))
    data = path.with_suffix(".parquet").read_bytes()
    recollect(root, table={"size": len(data), "sha256": sha256_hex(data)})


def link(name):
    def spoil(root):
        path = root / name.format(segment(root).name)
        away = root.parent / "away"
        path.rename(away)
        path.symlink_to(away)

    return spoil


def fifo(root):
    path = segment(root) / "texts.parquet"
    path.unlink()
    os.mkfifo(path)


def drop(name):
    return lambda root: (segment(root) / name).unlink()


STORES = {
    "vectors with NaN": (spoil_vectors(np.nan), "NaN or infinite"),
    "vectors with infinity": (spoil_vectors(np.inf), "NaN or infinite"),
    "keys unsorted": (spoil_keys(np.r_[1, 0, 2:20]), "keys are not sorted"),
    "keys repeated": (spoil_keys(np.r_[0, 0, 2:20]), "keys are not sorted, or repeat"),
    "row hashes invented": (spoil_row_sha, "row_sha are not the hashes"),
    "unknown codec": (spoil_metadata('"bytes"', '"pickle"'), "is not that of an uncompressed"),
    "compressing codec": (spoil_metadata('{"name":"crc32c"}', '{"name":"zstd"}'), "is not that of an uncompressed"),
    "object dtype": (spoil_metadata('"float16"', '"object"'), "is not that of an uncompressed"),
    "string dtype": (spoil_metadata('"float16"', '"string"'), "is not that of an uncompressed"),
    "another shape": (spoil_metadata("[20,8]", "[2000000000,8]"), "declares chunks of|is not that of"),
    "huge chunks": (spoil_metadata("[20,8]", "[999999999999,8]"), "declares chunks of"),
    "shard cut off": (spoil_shard, "bytes; expected"),
    "shard with a wrong crc": (spoil_crc, "is damaged"),
    "manifest lies about rows": (spoil_manifest(rows=19), "declares chunks of 20 rows for 19 rows"),
    "manifest lies about billions of rows": (spoil_manifest(rows=2**31 - 1), "refused"),
    "manifest with absurd rows": (spoil_manifest(rows=2**60), "declares"),
    "manifest with negative rows": (spoil_manifest(rows=-1), "declares"),
    "manifest lies about the dimension": (spoil_manifest(dim=4), "its space has float16 of 8"),
    "manifest lies about dtype": (spoil_manifest(dtype="float32"), "its space has float16 of 8"),
    "manifest with an object dtype": (spoil_manifest(dtype="object"), "declares dtype 'object'"),
    "manifest with an unknown field": (spoil_manifest(run="rm -rf /"), "has the fields"),
    "manifest with a file outside": (spoil_files, "does not list exactly the files"),
    "manifest with an absurd size": (spoil_sizes, "bytes|were promised"),
    "manifest of a newer format": (spoil_manifest(format=2), "upgrade genesem"),
    "texts in another order": (spoil_texts(swapped_texts), "are not the hashes of their texts"),
    "texts with another column": (
        spoil_texts(lambda t: {**t, "code": ["x"] * 20}),
        "expected 20 of key, text, n_tokens",
    ),
    "texts with fewer rows": (spoil_texts(lambda t: {name: v[:5] for name, v in t.items()}), "holds 5 rows"),
    "texts that may be null": (spoil_texts(lambda t: pa.table(t).to_pydict()), "expected 20 of key"),
    "texts of absurd length": (bomb, "when decoded|no model reads so much"),
    "texts that are no Parquet": (
        lambda root: ((segment(root) / "texts.parquet").write_bytes(b"PAR1" * 9), reseal(segment(root))),
        "cannot be read as Parquet",
    ),
    "space whose hash is not its name": (spoil_space, "another sha256 than its name"),
    "space of another dimension": (spoil_space_dim, "its space has float16 of 9"),
    "space missing": (no_space, "which the source does not list"),
    "space that is a JSON bomb": (odd_space, "is not JSON|other fields"),
    "collection of keys without vectors": (spoil_collection_keys, "keys have no vector"),
    "collection that lies about its rows": (lambda root: recollect(root, n=5), "holds 20 rows"),
    "collection of an unknown unit": (lambda root: recollect(root, unit="soul"), "does not describe a collection"),
    "collection called otherwise inside": (lambda root: recollect(root, name="other"), "is called other inside"),
    "collection changed": (lambda root: collection_path(root).write_bytes(b"{}"), "another sha256 than its name"),
    "collection without its table": (
        lambda root: collection_path(root).with_suffix(".parquet").unlink(),
        "is missing at the source",
    ),
    "collection in a folder that climbs": (
        lambda root: collection_path(root).parent.rename(root / "collections" / "..up"),
        "does not belong into a store",
    ),
    "segment of an unknown name": (lambda root: (root / "segments" / "latest").mkdir(), "does not belong into a store"),
    "collection that is a JSON bomb": (
        lambda root: collection_path(root).write_bytes(b'{"a":' * 900_000 + b"1" + b"}" * 900_000),
        "bytes; a store's file|more than|at most",
    ),
    "manifest nested to the stack's end": (
        lambda root: nest_manifest(root),
        "is not JSON as a store writes it",
    ),
    "segment without its manifest": (drop("manifest.json"), "is missing at the source"),
    "segment without its texts": (drop("texts.parquet"), "is missing at the source"),
    "segment without its provenance": (drop("provenance.json"), "is missing at the source"),
    "segment that is a link": (link("segments/{0}"), "is a symbolic link"),
    "texts that are a link": (link("segments/{0}/texts.parquet"), "is a symbolic link"),
    "store.json that is a link": (link("store.json"), "is a symbolic link"),
    "texts that are a pipe": (fifo, "is not a plain file"),
    "provenance changed": (lambda root: (segment(root) / "provenance.json").write_text("{}"), "content and its sha256"),
    "manifest of megabytes": (
        lambda root: (segment(root) / "manifest.json").write_bytes(b" " * 10**6),
        "more than 16384 bytes",
    ),
    "store of a newer format": (
        lambda root: (root / "store.json").write_text('{"format":"genesem-store","version":9}'),
        "upgrade",
    ),
    "ref that lists nonsense": (
        lambda root: (root / "refs" / "x.json").write_text('{"content":{},"sha256":""}'),
        "checksum",
    ),
}


@pytest.mark.parametrize(("spoil", "reason"), STORES.values(), ids=STORES)
def test_a_hostile_store_is_refused(stranger, ours, spoil, reason):
    spoil(stranger)
    before = published(ours)
    with pytest.raises(StoreError, match=reason) as caught:
        pull(ours, FolderSource(stranger))
    assert "\n" not in str(caught.value)
    after = published(ours)
    assert {path: data for path, data in after.items() if path in before} == before
    assert [path for path in after if path not in before and "segments" not in path.parts] == []
    assert ours.verify().ok


def member(name, data=b"x", **facts):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in facts.items():
        setattr(info, field, value)
    return info, data


def write_tar(path, members, form=tarfile.USTAR_FORMAT):
    with tarfile.open(path, "w", format=form) as archive:
        for info, data in members:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)


DIGEST = "a" * 64
STORE_JSON = b'{"format":"genesem-store","version":1}'
ARCHIVES = {
    "a path that climbs out": ([member("../../etc/passwd")], "no name that a file of a store can have"),
    "a path that climbs inside": ([member("segments/../../x")], "no name that"),
    "an absolute path": ([member("/etc/passwd")], "no name that"),
    "a path with a backslash": ([member("spaces\\x.json")], "no name that"),
    "a dot before the name": ([member("./store.json")], "no name that"),
    "a symbolic link": ([member("store.json", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")], "only plain files"),
    "a hard link": ([member("store.json", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")], "only plain files"),
    "a character device": ([member("store.json", b"", type=tarfile.CHRTYPE)], "only plain files"),
    "a block device": ([member("store.json", b"", type=tarfile.BLKTYPE)], "only plain files"),
    "a pipe": ([member("store.json", b"", type=tarfile.FIFOTYPE)], "only plain files"),
    "a folder": ([member("segments", b"", type=tarfile.DIRTYPE)], "only plain files"),
    "a sparse file": ([member("store.json", b"", type=tarfile.GNUTYPE_SPARSE)], "only plain files"),
    "a member twice": ([member("store.json"), member("store.json")], "is there twice"),
    "an index of DuckDB": ([member("index.duckdb")], "no name that"),
    "a pickle": ([member(f"segments/{DIGEST}/vectors.pkl")], "no name that"),
    "an unknown file in a segment": ([member(f"segments/{DIGEST}/vectors.zarr/vectors/c/0/1")], "no name that"),
    "a collection that is hidden": ([member(f"collections/.x/{DIGEST}.json")], "no name that"),
    "no store.json": ([member(f"spaces/{DIGEST}.json")], "no store at"),
    "a store.json of something else": ([member("store.json", b"{}")], "does not describe a store"),
    "nothing": ([], "no store at"),
    "a segment without its files": (
        [member("store.json", STORE_JSON), member(f"segments/{DIGEST}/manifest.json", b"{}")],
        "another sha256",
    ),
}


@pytest.mark.parametrize(("members", "reason"), ARCHIVES.values(), ids=ARCHIVES)
def test_a_hostile_archive_is_refused(ours, tmp_path, members, reason):
    write_tar(tmp_path / "x.tar", members)
    before = published(ours)
    with pytest.raises(StoreError, match=reason) as caught:
        import_archive(ours, tmp_path / "x.tar")
    assert "\n" not in str(caught.value)
    assert published(ours) == before
    assert not any(path.is_file() and path.suffix != ".lock" for path in (ours.root / "tmp").rglob("*"))


def long_name(path):
    write_tar(path, [member("spaces/" + "a" * 300)], tarfile.GNU_FORMAT)


def pax(path):
    write_tar(path, [member("store.json", pax_headers={"comment": "x" * 5000})], tarfile.PAX_FORMAT)


def too_long(path):
    info, _ = member("store.json")
    info.size = 2**32
    path.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + b"x" * 512)


def too_short(path):
    write_tar(path, [member("store.json", STORE_JSON), member(f"spaces/{DIGEST}.json", b"x" * 5000)])
    path.write_bytes(path.read_bytes()[:2000])


def negative(path):
    info, _ = member("store.json")
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 12
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    path.write_bytes(bytes(header) + b"x" * 512)


SHAPES = {
    "a name longer than any of ours": (long_name, "only plain files"),
    "extended headers": (pax, "only plain files"),
    "a member larger than the archive": (too_long, "are left in the archive"),
    "an archive cut off": (too_short, "are left in the archive"),
    "a negative size": (negative, "declares|bad header"),
    "gzip": (lambda path: path.write_bytes(gzip.compress(b"\0" * 10**6)), "compressed with gzip"),
    "zip": (lambda path: path.write_bytes(b"PK\3\4" + b"x" * 600), "compressed with zip"),
    "zstd": (lambda path: path.write_bytes(b"\x28\xb5\x2f\xfd" + b"x" * 600), "compressed with zstd"),
    "noise": (lambda path: path.write_bytes(b"noise" * 200), "bad header"),
    "no file": (lambda path: None, "cannot be read"),
}


@pytest.mark.parametrize(("make", "reason"), SHAPES.values(), ids=SHAPES)
def test_an_archive_of_the_wrong_shape_is_refused(ours, tmp_path, make, reason):
    make(tmp_path / "x.tar")
    before = published(ours)
    with pytest.raises(GenesemError, match=reason):
        import_archive(ours, tmp_path / "x.tar")
    assert published(ours) == before


def test_too_many_members_are_refused(ours, tmp_path, monkeypatch):
    monkeypatch.setattr("genesem_embed.store.sharing.archive.MAX_MEMBERS", 10)
    members = [member("store.json", STORE_JSON), *(member(f"spaces/{number:064x}.json") for number in range(10))]
    write_tar(tmp_path / "x.tar", members)
    before = published(ours)
    with pytest.raises(StoreError, match="comes after 10 others, more than any store has"):
        import_archive(ours, tmp_path / "x.tar")
    assert published(ours) == before


def test_a_space_as_large_as_the_disk_is_refused_before_it_moves(stranger, ours, monkeypatch):
    nearly_full = shutil._ntuple_diskusage(10, 9, 1)
    monkeypatch.setattr("genesem_embed.store.sharing.pull.shutil.disk_usage", lambda path: nearly_full)
    with pytest.raises(StoreError, match="bytes, 1 are free"):
        pull(ours, FolderSource(stranger))


def test_one_bad_segment_does_not_keep_a_good_one_from_a_second_try(stranger, ours, maker):
    folder = segment(stranger)
    sound = (folder / "texts.parquet").read_bytes()
    (folder / "texts.parquet").write_bytes(b"x" * len(sound))
    with pytest.raises(IntegrityError, match="does not have the sha256"):
        pull(ours, FolderSource(stranger))
    (folder / "texts.parquet").write_bytes(sound)
    assert pull(ours, FolderSource(stranger)).n_segments == 1
    assert ours.verify().ok


@pytest.fixture(scope="module")
def archive_bytes(tmp_path_factory, maker):
    folder = tmp_path_factory.mktemp("fuzz")
    with Store.create(folder / "s") as store:
        maker.publish(store, TEXTS[:3])
        maker.collect(store, TEXTS[:3])
        publish(store)
        export_archive(store, folder / "a.tar")
    return (folder / "a.tar").read_bytes()


CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["flip", "cut", "insert", "zero", "swap"]),
        st.integers(0, 2**20),
        st.binary(min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=4,
)


def damaged(data, changes):
    for kind, at, junk in changes:
        at %= max(len(data), 1)
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ junk[0]]) + data[at + 1 :]
        elif kind == "cut":
            data = data[:at]
        elif kind == "insert":
            data = data[:at] + junk + data[at:]
        elif kind == "zero":
            data = data[:at] + b"\0" * 512 + data[at + 512 :]
        else:
            data = data[at:] + data[:at]
    return data


@given(changes=CHANGES)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_damaged_archive_gives_a_sound_store_or_one_error(tmp_path_factory, archive_bytes, changes):
    folder = tmp_path_factory.mktemp("f")
    (folder / "x.tar").write_bytes(damaged(archive_bytes, changes))
    with Store.create(folder / "s") as store:
        try:
            import_archive(store, folder / "x.tar")
        except GenesemError as error:
            assert "\n" not in str(error)  # noqa: PT017
        assert store.verify().ok
