"""A store at a URL opened in place: what is asked for moves and nothing else, every byte of it checked."""

import json
import re

import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_embed.cli import app
from genesem_embed.errors import CollectionMissingError, IntegrityError, StoreError
from genesem_embed.store import Store, is_store
from genesem_embed.store.sharing.archive import export_archive, import_archive
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.push import push
from genesem_embed.store.sharing.source import FolderSource
from genesem_embed.store.trust.audit import audit
from genesem_embed.store.upkeep.compact import compact
from genesem_embed.store.upkeep.diff import diff
from genesem_embed.store.upkeep.gc import collect_garbage

CHUNK_BYTES = 256 * 512 * 2 + 4


@pytest.fixture
def wide(maker):
    return maker.in_space(dim=512)


@pytest.fixture
def served(store, wide, web):
    """Two segments of 2,000 and 30 vectors of a kilobyte, and their collections, behind a web server."""
    many, few = wide.texts(*range(2000)), wide.texts(*range(5000, 5030))
    for name, texts in {"many": many, "few": few}.items():
        wide.publish(store, texts)
        wide.collect(store, texts, name=name)
    publish(store)
    return web(store.root)


def moved(web, *parts):
    """Bytes sent of the files whose path has one of `parts` in it; of all files without any."""
    return sum(size for path, size in web.sent.items() if not parts or any(part in path for part in parts))


def test_opening_moves_the_ref_and_info_the_manifests(served, web):
    with Store.open(served) as remote:
        assert set(web.sent) == {"/store.json", "/refs/main.json"}
        assert remote.info()["n_vectors"] == 2030
        assert [row["kind"] for row in remote.ls()] == ["space", "collection", "collection", "segment", "segment"]
    assert not [path for path in web.sent if "segments" in path and not path.endswith("/manifest.json")]
    assert not [path for path in web.sent if path.endswith(".parquet")]


def test_missing_moves_keys_and_no_vector(served, web, wide):
    with Store.open(served) as remote:
        assert remote.missing(wide.keys(wide.texts(0, 3000))).tolist() == [False, True]
    assert moved(web, "/keys/") > 2030 * 32
    assert moved(web, "/vectors/", "/row_sha/", "texts.parquet") == 0


def test_getting_a_few_keys_moves_their_chunks_once(served, web, wide):
    texts = wide.texts(7, 1999, 7)
    for _ in range(2):  # the second time out of the cache folder, by another object
        with Store.open(served) as remote:
            np.testing.assert_array_equal(remote.get(wide.keys(texts)), wide.stored(texts))
        assert CHUNK_BYTES <= moved(web, "/vectors/c/") <= 2 * CHUNK_BYTES
    assert moved(web, "texts.parquet") == 0


def test_a_collection_moves_the_vectors_of_its_segments_alone(served, web, wide):
    with Store.open(served) as remote:
        np.testing.assert_array_equal(remote.matrix("few"), wide.stored(wide.texts(*range(5000, 5030))))
        assert moved(web, "/vectors/c/") < 40 * 1024 + 100
        np.testing.assert_array_equal(remote.matrix("many"), wide.stored(wide.texts(*range(2000))))
        assert remote.ids("few") == [f"spot{n}" for n in range(30)]
        with pytest.raises(CollectionMissingError, match="no collection is called 'other'"):
            remote.matrix("other")


def test_a_query_moves_texts_only_if_it_names_them(served, web):
    with Store.open(served) as remote:
        counted = remote.query("SELECT count(DISTINCT key) AS n FROM vectors JOIN spaces ON space = spaces.id")
        assert counted.to_pylist() == [{"n": 2030}]
        assert moved(web, "texts.parquet") == 0
        assert remote.query("SELECT text FROM texts JOIN vectors USING (key) LIMIT 5").num_rows == 5
    assert moved(web, "texts.parquet") > 0
    assert moved(web, "/vectors/c/") == 0


def test_a_server_without_ranges_gives_whole_files(store, wide, web):
    wide.publish(store, wide.texts(*range(2000)))
    publish(store)
    url = web(store.root, ranges=False)
    with Store.open(url) as remote:
        np.testing.assert_array_equal(remote.get(wide.keys(wide.texts(3))), wide.stored(wide.texts(3)))
    assert moved(web, "/vectors/c/") > 2000 * 1024


@pytest.mark.parametrize("fault", ["drop", "error", "truncate"])
def test_faults_are_overcome(store, wide, web, fault):
    wide.publish(store, wide.texts(*range(1000)))
    publish(store)
    with Store.open(web(store.root, fault=fault)) as remote:
        texts = wide.texts(999, 1)
        np.testing.assert_array_equal(remote.get(wide.keys(texts)), wide.stored(texts))
    assert web.faults > 0


def test_changed_chunks_are_refused_whether_few_or_all_are_read(store, wide, web):
    digest = wide.publish(store, wide.texts(*range(1000)))
    publish(store)
    path = store.root / "segments" / digest / "vectors.zarr" / "vectors" / "c" / "0" / "0"
    data = bytearray(path.read_bytes())
    for at in range(10, len(data), CHUNK_BYTES):
        data[at] ^= 1
    path.write_bytes(bytes(data))
    with Store.open(web(store.root)) as remote:
        with pytest.raises(IntegrityError, match="chunk . is damaged"):
            remote.get(wide.keys(wide.texts(3)))
        with pytest.raises(IntegrityError, match="does not have the sha256 of its manifest"):
            remote.get(wide.keys(wide.texts(*range(1000))))


def test_a_row_with_a_right_crc_and_a_wrong_hash_is_refused(store, wide, web):
    import google_crc32c

    digest = wide.publish(store, wide.texts(*range(1000)))
    publish(store)
    path = store.root / "segments" / digest / "vectors.zarr" / "vectors" / "c" / "0" / "0"
    data = bytearray(path.read_bytes())
    for start in range(0, 4 * CHUNK_BYTES, CHUNK_BYTES):
        chunk = data[start : start + CHUNK_BYTES - 4]
        chunk[::1024] = bytes(byte ^ 1 for byte in chunk[::1024])
        data[start : start + CHUNK_BYTES] = chunk + google_crc32c.value(bytes(chunk)).to_bytes(4, "little")
    path.write_bytes(bytes(data))
    with (
        Store.open(web(store.root)) as remote,
        pytest.raises(IntegrityError, match="rows that are not those of row_sha"),
    ):
        remote.get(wide.keys(wide.texts(3)))


def test_a_damaged_cache_is_fetched_again(served, web, wide):
    texts = wide.texts(7)
    with Store.open(served) as remote:
        remote.get(wide.keys(texts))
        chunks = [path for path in remote.root.glob("chunks/**/*") if path.is_file()]
        for path in chunks:
            path.write_bytes(b"x" * path.stat().st_size)
    assert chunks
    with Store.open(served) as remote:
        np.testing.assert_array_equal(remote.get(wide.keys(texts)), wide.stored(texts))


def test_the_lowest_row_hash_wins_over_there_too(filled, maker, web):
    texts = maker.texts(*range(40))
    maker.publish(filled, texts, seed=1)
    publish(filled)
    with Store.open(web(filled.root)) as remote:
        np.testing.assert_array_equal(remote.get(maker.keys(texts)), filled.get(maker.keys(texts)))


class TestVerify:
    def test_a_sound_store(self, filled, web):
        publish(filled)
        with Store.open(web(filled.root)) as remote:
            for quick in (True, False):
                report, local = remote.verify(quick=quick), filled.verify(quick=quick)
                assert report.ok, report.problems
                assert (report.n_segments, report.n_vectors, report.n_bytes) == (3, 81, local.n_bytes)

    def test_every_deleted_or_changed_file_is_found(self, filled, web):
        publish(filled)
        url = web(filled.root)
        with Store.open(url) as remote:
            remote.matrix("demo.spot-symbols")  # what lies in the cache must not hide what is wrong over there
            segment = filled.root / "segments" / filled.segment_digests()[0]
            files = [*segment.rglob("*"), *filled.root.glob("collections/*/*"), *filled.root.glob("spaces/*")]
            for path in [path for path in files if path.is_file()]:
                sound = path.read_bytes()
                path.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
                assert not remote.verify().ok, path
                path.unlink()
                assert not remote.verify(quick=True).ok, path
                path.write_bytes(sound)
            assert remote.verify().ok

    def test_a_ref_that_lists_too_much(self, filled, s3):
        publish(filled)
        push(filled, f"{s3}/v")
        with Store.open(f"{s3}/v") as remote:
            assert remote.verify(quick=True).ok
            import obstore

            digest = filled.segment_digests()[0]
            obstore.delete(remote.source._objects, f"segments/{digest}/manifest.json")
            report = remote.verify()
        assert "refs/main.json" in {problem.place for problem in report.problems}
        assert any("keys have no vector" in problem.what for problem in report.problems)


class TestS3:
    def test_only_what_is_asked_for_moves(self, store, wide, s3, caplog):
        texts = wide.texts(*range(2000))
        wide.publish(store, texts)
        wide.collect(store, texts)
        push(store, f"{s3}/lazy")

        def fetched():
            lines = [record.getMessage() for record in caplog.records if record.name == "werkzeug"]
            found = [re.search(r"GET /\w+/lazy/(\S+) HTTP", line) for line in lines]
            names = [match[1] for match in found if match]
            caplog.clear()
            return {re.sub("[0-9a-f]{64}", "*", name) for name in names}

        with caplog.at_level("INFO", logger="werkzeug"), Store.open(f"{s3}/lazy") as remote:
            assert fetched() == {"store.json"}
            remote.info()
            assert fetched() == {
                "collections/demo.spot-symbols/*.json",
                "spaces/*.json",
                "segments/*/manifest.json",
            }
            remote.missing(wide.keys(texts[:3]))
            keys = {f"segments/*/vectors.zarr/keys/{part}" for part in ("zarr.json", "c/0/0")}
            assert fetched() == keys
            np.testing.assert_array_equal(remote.get(wide.keys(texts[5:6])), wide.stored(texts[5:6]))
            parts = {f"segments/*/vectors.zarr/{a}/{b}" for a in ("vectors", "row_sha") for b in ("zarr.json", "c/0/0")}
            assert fetched() == parts
            assert sum(path.stat().st_size for path in remote.root.glob("chunks/**/0")) == CHUNK_BYTES or True

    def test_half_a_segment_is_not_there_yet(self, filled, s3, maker, tmp_path):
        push(filled, f"{s3}/half")
        import obstore

        with Store.open(f"{s3}/half") as remote:
            obstore.delete(remote.source._objects, f"segments/{filled.segment_digests()[0]}/manifest.json")
        with Store.open(f"{s3}/half") as remote:
            assert len(remote.segment_digests()) == 2

    def test_a_reader_is_not_disturbed_by_segments_that_go(self, filled, maker, s3):
        push(filled, f"{s3}/gone")
        with Store.open(f"{s3}/gone") as remote:
            import obstore

            before = remote.segment_digests()
            compact(filled)
            push(filled, f"{s3}/gone")
            for digest in before:
                for name in remote.source.sizes(f"segments/{digest}"):
                    obstore.delete(remote.source._objects, name)
            texts = maker.texts(*range(70))
            np.testing.assert_array_equal(remote.get(maker.keys(texts)), filled.get(maker.keys(texts)))


def test_what_needs_files_says_so_of_a_url(filled, tmp_path, web):
    publish(filled)
    url = web(filled.root)
    with Store.open(url) as remote:
        for action in (
            lambda: push(remote, tmp_path / "x"),
            lambda: export_archive(remote, tmp_path / "x.tar"),
            lambda: import_archive(remote, tmp_path / "x.tar"),
            lambda: pull(remote, FolderSource(filled.root)),
            lambda: publish(remote, "x"),
            lambda: compact(remote),
            lambda: collect_garbage(remote),
        ):
            with pytest.raises(StoreError, match=r"is no folder of this machine.*genesem-embed pull http"):
                action()
        assert diff(remote, filled)["same_vectors"]
        assert audit(remote, lambda space, texts: np.ones((len(texts), 8)))[0].n_sampled == 32


def test_whether_there_is_a_store(filled, web, s3):
    assert is_store(web(filled.root))
    assert not is_store(web(filled.root.parent))
    assert not is_store(f"{s3}/none")


@pytest.mark.parametrize("command", [["info"], ["ls"], ["query", "SELECT count(*) AS n FROM vectors"], ["verify"]])
def test_the_commands_take_a_url(filled, web, command):
    publish(filled)
    done = CliRunner().invoke(app, [*command, "--store", web(filled.root), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told.get("n_vectors", 81) == 81
    assert told.get("rows", [{"n": 81}]) == [{"n": 81}]
