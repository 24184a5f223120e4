import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesem_embed.errors import (
    CollectionMissingError,
    EncodingError,
    InputError,
    IntegrityError,
    NotAStoreError,
    StoreError,
    StoreVersionError,
)
from genesem_embed.store import Store, is_store
from genesem_embed.store.keys import row_hashes


def test_importing_the_store_is_quick_and_loads_nothing_heavy():
    code = "import sys, genesem_embed.store; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "transformers", "scanpy", "anndata", "duckdb", "pyarrow", "zarr", "pandas"} & set(loaded)


def test_vectors_come_back_in_the_order_of_the_keys_and_may_repeat(filled, maker):
    texts = maker.texts(69, 0, 0, 100, 35)
    found = filled.get(maker.keys(texts))
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found, maker.stored(texts))


def test_missing_tells_which_keys_have_no_vector(filled, maker):
    assert filled.missing(maker.keys(maker.texts(0, 70, 69, 101))).tolist() == [False, True, False, True]


def test_no_keys_are_no_problem(store, filled, maker):
    none = maker.keys([])
    assert store.missing(none).tolist() == []
    assert filled.get(none).shape[0] == 0


def test_keys_without_a_vector_are_named_by_count(filled, maker):
    with pytest.raises(CollectionMissingError, match="2 of 3 keys have no vector"):
        filled.get(maker.keys(maker.texts(0, 70, 71)))


@pytest.mark.parametrize("keys", [np.zeros((2, 31), np.uint8), np.zeros(32, np.uint8), np.zeros((2, 32), np.int64)])
def test_what_is_no_key_is_refused(filled, keys):
    with pytest.raises(ValueError, match="expected"):
        filled.missing(keys)


def test_the_collection_gives_ids_and_matrix(filled, maker):
    texts = maker.texts(*range(60), 100, 3)
    assert filled.ids("demo.spot-symbols")[:2] == ["spot0", "spot1"]
    np.testing.assert_array_equal(filled.matrix("demo.spot-symbols"), maker.stored(texts))
    np.testing.assert_array_equal(filled.keys("demo.spot-symbols"), maker.keys(texts))


def test_collections_are_found_by_slide_recipe_and_space(filled, maker):
    (info,) = filled.collections()
    assert info.n == 62
    assert info.space == maker.space
    assert filled.find_collections(fingerprint="f" * 64, recipe="spot-symbols", space=maker.space.id[:6]) == [info]
    assert filled.find_collections(fingerprint="e" * 64) == []
    assert filled.find_collections(recipe="gene-summaries") == []
    assert filled.find_collections(space="zz") == []


def test_a_collection_is_named_in_several_ways(filled):
    (info,) = filled.collections()
    for name in (info, info.name, info.digest, info.digest[:8], f"{info.name}@{info.digest[:8]}"):
        assert filled.collection(name) == info


def test_two_collections_of_one_name_need_a_digest(filled, maker):
    other = maker.collect(filled, maker.texts(1, 2), fingerprint="e" * 64)
    with pytest.raises(CollectionMissingError, match="several collections are called"):
        filled.matrix("demo.spot-symbols")
    assert filled.matrix(f"demo.spot-symbols@{other.digest}").shape == (2, 8)
    with pytest.raises(CollectionMissingError, match="no collection is called 'nonsense'"):
        filled.matrix("nonsense")


def test_a_collection_of_keys_without_vectors_is_not_published(store, maker):
    with pytest.raises(CollectionMissingError, match="2 of 2 keys"):
        maker.collect(store, maker.texts(1, 2))
    assert store.collections() == []


def test_publishing_the_same_again_changes_nothing(filled, maker):
    before = {
        path: path.stat().st_mtime_ns for path in filled.root.rglob("*") if path.is_file() and "segments" in str(path)
    }
    maker.publish(filled, maker.texts(*range(40)))
    maker.collect(filled, maker.texts(*range(60), 100, 3))
    after = {
        path: path.stat().st_mtime_ns for path in filled.root.rglob("*") if path.is_file() and "segments" in str(path)
    }
    assert before == after
    assert len(filled.collections()) == 1


def test_the_lowest_row_hash_wins_whatever_the_order(tmp_path, maker):
    texts = maker.texts(*range(20))
    both = np.stack([maker.stored(texts, seed) for seed in (0, 1)])
    hashes = [[row.tobytes() for row in row_hashes(rows)] for rows in both]
    expected = np.array([both[int(a > b), at] for at, (a, b) in enumerate(zip(*hashes, strict=True))])
    for name, seeds in {"a": (0, 1), "b": (1, 0), "c": (0, 1, 0)}.items():
        with Store.create(tmp_path / name) as store:
            for seed in seeds:
                maker.publish(store, texts, seed)
            np.testing.assert_array_equal(store.get(maker.keys(texts)), expected)


def test_a_text_twice_in_one_segment_is_stored_once(store, maker):
    texts = maker.texts(1, 1, 2)
    vectors = np.concatenate([maker.vectors(texts[:1], 0), maker.vectors(texts[:1], 1), maker.vectors(texts[2:])])
    store.publish_segment(maker.space, maker.keys(texts), vectors, texts, np.ones(3, np.int32), {})
    assert store.info()["n_vectors"] == 2
    lowest = min(vectors[:2].astype(np.float16), key=lambda row: row_hashes(row[None]).tobytes())
    np.testing.assert_array_equal(store.get(maker.keys(texts[:1]))[0], lowest)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 70_000.0])
def test_vectors_that_cannot_be_stored_are_refused_with_their_text(store, maker, bad):
    texts = maker.texts(1, 2)
    vectors = maker.vectors(texts)
    vectors[1, 3] = bad
    with pytest.raises(EncodingError, match=r"1 of 2 vectors .*'text number 2'"):
        store.publish_segment(maker.space, maker.keys(texts), vectors, texts, np.ones(2, np.int32), {})
    assert store.segment_digests() == []
    assert list((store.root / "tmp").iterdir()) == []


def test_large_values_fit_float32(store, maker):
    wide = maker.in_space(precision="float32")
    texts = wide.texts(1)
    store.publish_segment(wide.space, wide.keys(texts), np.full((1, 8), 70_000.0), texts, np.ones(1, np.int32), {})
    assert store.get(wide.keys(texts)).dtype == np.float32


@pytest.mark.parametrize(
    ("n_vectors", "dim", "n_tokens"), [(1, 8, 2), (2, 7, 2), (2, 8, 1)], ids=["vectors", "dimension", "tokens"]
)
def test_rows_that_do_not_match_are_refused(store, maker, n_vectors, dim, n_tokens):
    texts = maker.texts(1, 2)
    with pytest.raises(EncodingError, match="one key, vector and token count per text"):
        store.publish_segment(
            maker.space, maker.keys(texts), np.zeros((n_vectors, dim)), texts, np.ones(n_tokens, np.int32), {}
        )


def test_an_empty_segment_is_refused(store, maker):
    with pytest.raises(EncodingError, match="found 0 texts"):
        maker.publish(store, [])


def test_keys_of_two_shapes_are_not_mixed(filled, maker):
    wide = maker.in_space(dim=16)
    wide.publish(filled, wide.texts(1))
    with pytest.raises(InputError, match="different shapes"):
        filled.get(np.concatenate([maker.keys(maker.texts(1)), wide.keys(wide.texts(1))]))


def test_collections_with_repeated_ids_are_refused(filled, maker):
    keys = maker.keys(maker.texts(1, 2))
    with pytest.raises(InputError, match="one key per distinct id"):
        filled.publish_collection("x", "spot", {}, maker.space.id, {}, ["a", "a"], keys, {})


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "a b", "a" * 121, "ü"])
def test_names_that_are_paths_are_refused(filled, maker, name):
    with pytest.raises(InputError, match="cannot name a collection"):
        maker.collect(filled, maker.texts(1), name=name)


def test_what_is_not_a_store(tmp_path):
    with pytest.raises(NotAStoreError, match="found nothing; make one with: genesem-embed build"):
        Store.open(tmp_path / "none")
    (tmp_path / "notes.txt").write_text("mine")
    for mode in ("r", "a"):
        with pytest.raises(NotAStoreError, match="a folder without store.json"):
            Store.open(tmp_path, mode)
    with pytest.raises(NotAStoreError, match="found a file"):
        Store.open(tmp_path / "notes.txt", "a")
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_store_json_of_something_else(tmp_path):
    (tmp_path / "store.json").write_text('{"format":"other","version":1}')
    with pytest.raises(NotAStoreError, match="does not describe a store"):
        Store.open(tmp_path)


def test_a_newer_store_is_refused(filled):
    (filled.root / "store.json").write_text('{"format":"genesem-store","version":2}')
    with pytest.raises(StoreVersionError, match="format version 2; this genesem reads up to 1: upgrade"):
        Store.open(filled.root)


def test_a_store_opened_for_reading_takes_nothing(filled, maker):
    with Store.open(filled.root) as reader, pytest.raises(StoreError, match='open it with mode "a"'):
        maker.publish(reader, maker.texts(1))


def test_opening_twice_for_adding_is_one_store(tmp_path, maker):
    with Store.open(tmp_path / "s", "a") as one, Store.open(tmp_path / "s", "a") as two:
        assert is_store(tmp_path / "s")
        maker.publish(one, maker.texts(1))
        assert not two.missing(maker.keys(maker.texts(1)))[0]
        maker.publish(two, maker.texts(2))
        np.testing.assert_array_equal(one.get(maker.keys(maker.texts(2, 1))), maker.stored(maker.texts(2, 1)))


@pytest.mark.parametrize("part", ["vectors/c/0/0", "keys/c/0/0", "vectors/zarr.json"])
def test_a_missing_file_is_an_error_never_zeros(filled, maker, part):
    digest = maker.publish(filled, maker.texts(200, 201))
    (filled.root / "segments" / digest / "vectors.zarr" / part).unlink()
    with pytest.raises(IntegrityError, match="is missing"), Store.open(filled.root) as reader:
        reader.get(maker.keys(maker.texts(200)))


def test_a_changed_manifest_or_collection_is_an_error(filled, maker):
    (info,) = filled.collections()
    table = filled.root / "collections" / info.name / f"{info.digest}.parquet"
    table.write_bytes(table.read_bytes()[:-1] + b"X")
    with pytest.raises(IntegrityError, match="has changed"):
        filled.ids(info)
    table.unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        filled.ids(info)
    table.with_suffix(".json").write_text("{}")
    with pytest.raises(IntegrityError, match="sha256 is not its name"):
        filled.collections()


def test_an_index_that_points_elsewhere_is_noticed(filled, maker):
    filled.missing(maker.keys(maker.texts(1)))
    filled.close()
    import duckdb

    with duckdb.connect(str(filled.root / "index.duckdb")) as connection:
        connection.execute("UPDATE rows SET row = 0")
    with pytest.raises(IntegrityError, match="the index does not fit"):
        filled.get(maker.keys(maker.texts(*range(20))))


def test_a_broken_or_old_index_is_made_again(filled, maker):
    texts = maker.texts(1, 69)
    filled.missing(maker.keys(texts))
    filled.close()
    path = filled.root / "index.duckdb"
    for content in (b"", b"garbage" * 1000, path.read_bytes()[:5000]):
        path.write_bytes(content)
        with Store.open(filled.root) as reader:
            np.testing.assert_array_equal(reader.get(maker.keys(texts)), maker.stored(texts))
    path.unlink()
    with Store.open(filled.root) as reader:
        assert not reader.missing(maker.keys(texts)).any()


def test_info_and_ls_add_up(filled, maker):
    info = filled.info()
    assert (info["n_segments"], info["n_vectors"]) == (3, 81)
    assert info["spaces"][0] | {"bytes": 0} == {
        "id": maker.space.id,
        "model": "tiny",
        "dim": 8,
        "precision": "float16",
        "n_segments": 3,
        "n_vectors": 81,
        "bytes": 0,
    }
    assert info["collections"][0]["n"] == 62
    rows = filled.ls()
    assert [row["kind"] for row in rows] == ["space", "collection", "segment", "segment", "segment"]
    assert sum(row["bytes"] for row in rows if row["kind"] == "segment") == info["bytes"]


BATCHES = st.lists(
    st.tuples(st.lists(st.integers(0, 30), min_size=1, max_size=12), st.integers(0, 2)), min_size=1, max_size=4
)


@given(batches=BATCHES, precision=st.sampled_from(["float16", "float32"]))
@settings(max_examples=15, deadline=None)
def test_whatever_was_published_is_read_back(tmp_path_factory, maker, batches, precision):
    maker = maker.in_space(precision=precision)
    model = {}
    with Store.create(tmp_path_factory.mktemp("s")) as store:
        for numbers, seed in batches:
            texts = maker.texts(*numbers)
            maker.publish(store, texts, seed)
            rows = maker.stored(texts, seed)
            for text, row, mark in zip(texts, rows, row_hashes(rows), strict=True):
                model[text] = min(
                    model.get(text, (mark.tobytes(), row)), (mark.tobytes(), row), key=lambda pair: pair[0]
                )
        texts = list(model)
        np.testing.assert_array_equal(store.get(maker.keys(texts)), [row for _, row in model.values()])
        everything = maker.texts(*range(31))
        assert store.missing(maker.keys(everything)).tolist() == [text not in model for text in everything]
        assert store.verify().ok


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user to meet a read-only folder")
def test_a_read_only_store_is_read_with_its_index_in_the_cache(filled, maker, tmp_path):
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)
    for folder in (tmp_path, *tmp_path.parents):
        if folder.stat().st_mode & 0o055 != 0o055 and folder.is_relative_to("/tmp"):
            folder.chmod(0o755)
    code = """
import os, sys
from genesem_embed.store import Store
place = sys.argv[1]
with Store.open(place) as store:  # load every module while they can still be read
    keys = store.keys("demo.spot-symbols")
    store.matrix("demo.spot-symbols")
os.unlink(f"{place}/index.duckdb")
os.setuid(65534)
with Store.open(place) as store:
    print(store.matrix("demo.spot-symbols").shape)
try:
    store = Store.open(place, "a")
    store.publish_collection("x", "spot", {}, *store.spaces(), {}, ["a"], keys[:1], {})
except OSError as error:
    print(type(error).__name__, error)
"""
    environment = {**os.environ, "GENESEM_CACHE": str(cache)}
    command = [sys.executable, "-c", code, str(filled.root)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("(62, 8)\nStoreError cannot write to ")
    assert "permission is denied" in done.stdout
    assert list(cache.rglob("*.duckdb"))
    assert not (filled.root / "index.duckdb").exists()


def test_a_full_disk_is_one_line_and_publishes_nothing(filled, maker, monkeypatch):
    def full(descriptor, data):
        raise OSError(28, "No space left on device")

    before = sorted(filled.root.rglob("*"))
    monkeypatch.setattr("genesem_embed.store.files.disk.os.write", full)
    with pytest.raises(StoreError, match="the disk is full: free some space"):
        maker.publish(filled, maker.texts(300))
    assert sorted(filled.root.rglob("*")) == before


def test_spaces_are_listed_and_checked(filled, maker):
    other = maker.in_space(revision="2")
    other.publish(filled, other.texts(1))
    assert set(filled.spaces()) == {maker.space.id, other.space.id}
    path = filled.root / "spaces" / f"{maker.space.id}.json"
    path.write_bytes(replace(maker.space, revision="3").to_json())
    with Store.open(filled.root) as reader, pytest.raises(IntegrityError, match="sha256 is not its name"):
        reader.spaces()
