"""Stores that move: by folder, archive, S3 and plain HTTP; only what is lacking moves, and refs last."""

import numpy as np
import pytest

from genesem_embed.errors import CollectionMissingError, DownloadError, IntegrityError, StoreError
from genesem_embed.store import Store
from genesem_embed.store.sharing.archive import export_archive, import_archive
from genesem_embed.store.sharing.choice import Filters
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import merge, pull
from genesem_embed.store.sharing.push import push
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import FolderSource, open_source


@pytest.fixture
def other(tmp_path):
    with Store.create(tmp_path / "other") as opened:
        yield opened


def assert_same(one, two):
    assert one.segment_digests() == two.segment_digests()
    assert [info.digest for info in one.collections()] == [info.digest for info in two.collections()]
    for info in one.collections():
        np.testing.assert_array_equal(one.matrix(info), two.matrix(info))
    assert two.verify().ok, two.verify().problems


def test_a_pull_takes_everything_once(filled, other):
    moved = pull(other, FolderSource(filled.root))
    assert (moved.n_segments, moved.n_present, moved.n_collections, moved.n_spaces) == (3, 0, 1, 1)
    assert_same(filled, other)
    again = pull(other, FolderSource(filled.root))
    assert (again.n_segments, again.n_present, again.n_collections, again.n_bytes) == (0, 3, 0, 0)


def test_merging_two_stores_is_their_union_in_either_order(tmp_path, filled, maker):
    with Store.create(tmp_path / "second") as second:
        maker.publish(second, maker.texts(*range(20)), seed=1)
        maker.publish(second, maker.texts(500, 501))
        maker.collect(second, maker.texts(500, 501), name="second")
        results = []
        for name, order in {"ab": (filled, second), "ba": (second, filled)}.items():
            with Store.create(tmp_path / name) as union:
                moved, conflicts = merge(union, [store.root for store in order])
                assert [part.n_segments for part in moved] == [len(store.segment_digests()) for store in order]
                assert len(conflicts) == 20
                assert all(conflict.suspicious for conflict in conflicts)
                results.append(union.get(maker.keys(maker.texts(*range(70), 500))))
        np.testing.assert_array_equal(*results)


def test_paths_and_urls_are_merged_alike(filled, other, maker, s3, web, tmp_path):
    push(filled, f"{s3}/lab")
    places = [tmp_path / "path", tmp_path / "site"]
    for number, place in enumerate(places):
        with Store.create(place) as store:
            maker.publish(store, maker.texts(600 + number))
            publish(store)
    moved, conflicts = merge(other, [places[0], f"{s3}/lab", web(places[1])])
    assert [part.n_segments for part in moved] == [1, 3, 1]
    assert not conflicts
    assert not other.missing(maker.keys(maker.texts(*range(70), 600, 601))).any()
    assert other.verify().ok


def test_one_collection_takes_only_the_segments_with_its_vectors(filled, other, maker):
    maker.collect(filled, maker.texts(100), name="one")
    moved = pull(other, FolderSource(filled.root), Filters(collection="on?"))
    assert (moved.n_segments, moved.n_collections) == (1, 1)
    np.testing.assert_array_equal(other.matrix("one"), maker.stored(maker.texts(100)))
    with pytest.raises(CollectionMissingError, match="no collection that fits 'nope'.*demo.spot-symbols, one"):
        pull(other, FolderSource(filled.root), Filters(collection="nope"))


def test_one_space_takes_only_its_segments(filled, other, maker):
    wide = maker.in_space(dim=16)
    wide.publish(filled, wide.texts(1))
    moved = pull(other, FolderSource(filled.root), Filters(space=wide.space.id[:8] + "*"))
    assert (moved.n_segments, moved.n_collections, moved.n_spaces) == (1, 0, 1)
    assert list(other.spaces()) == [wide.space.id]


def test_a_ref_is_what_was_published_under_it(filled, other, maker):
    ref = publish(filled, "v1")
    maker.publish(filled, maker.texts(900))
    moved = pull(other, FolderSource(filled.root), Filters(ref="v1"))
    assert moved.refs == ("v1",)
    assert other.segment_digests() == list(ref.segments)
    with pytest.raises(StoreError, match=r"refs/v2.json is not there"):
        pull(other, FolderSource(filled.root), Filters(ref="v2"))


def test_a_ref_of_one_collection(filled, other, maker):
    maker.collect(filled, maker.texts(100), name="one")
    ref = publish(filled, "one", collection="one")
    assert len(ref.segments) == len(ref.collections) == 1
    pull(other, FolderSource(filled.root), Filters(ref="one"))
    assert [info.name for info in other.collections()] == ["one"]


def test_an_archive_there_and_back(filled, other, tmp_path):
    publish(filled)
    assert export_archive(filled, tmp_path / "a.tar") == 3
    export_archive(filled, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    moved = import_archive(other, tmp_path / "a.tar")
    assert (moved.n_segments, moved.refs) == (3, ("main",))
    assert moved.source == str(tmp_path / "a.tar")
    assert_same(filled, other)
    assert sorted(path.name for path in tmp_path.iterdir() if "part" in path.name) == []


def test_a_part_as_an_archive(filled, other, tmp_path, maker):
    maker.collect(filled, maker.texts(100), name="one")
    export_archive(filled, tmp_path / "a.tar", Filters(collection="one"))
    assert import_archive(other, tmp_path / "a.tar").n_segments == 1
    np.testing.assert_array_equal(other.matrix("one"), maker.stored(maker.texts(100)))


def test_pushing_to_a_path_is_a_pull_over_there(filled, tmp_path):
    moved = push(filled, tmp_path / "there")
    assert moved.n_segments == 3
    with Store.open(tmp_path / "there") as there:
        assert_same(filled, there)
    assert push(filled, tmp_path / "there").n_segments == 0


class TestS3:
    def test_there_and_back_and_only_what_lacks(self, filled, other, maker, s3):
        publish(filled)
        assert push(filled, f"{s3}/lab").n_segments == 3
        assert push(filled, f"{s3}/lab").n_bytes < 5000
        maker.publish(filled, maker.texts(700))
        assert (push(filled, f"{s3}/lab").n_segments, push(filled, f"{s3}/lab").n_segments) == (1, 0)
        assert pull(other, open_source(f"{s3}/lab")).n_segments == 4
        assert_same(filled, other)

    def test_a_broken_off_push_is_invisible_and_goes_on(self, filled, other, s3, monkeypatch):
        write = RemoteSource.write
        left = [9]

        def breaks_off(self, name, content):
            left[0] -= 1
            if not left[0]:
                raise KeyboardInterrupt
            write(self, name, content)

        monkeypatch.setattr(RemoteSource, "write", breaks_off)
        with pytest.raises(KeyboardInterrupt):
            push(filled, f"{s3}/cut")
        source = open_source(f"{s3}/cut")
        assert not [name for name in source.sizes("segments") if name.endswith("manifest.json")]
        push(filled, f"{s3}/cut")
        pull(other, source)
        assert_same(filled, other)

    def test_opened_for_reading_only_what_is_read_moves(self, filled, maker, s3):
        maker.collect(filled, maker.texts(100), name="one")
        push(filled, f"{s3}/open")
        with Store.open(f"{s3}/open") as remote:
            assert [info.name for info in remote.collections()] == ["demo.spot-symbols", "one"]
            assert not list(remote.root.glob("segments/*"))
            np.testing.assert_array_equal(remote.matrix("one"), maker.stored(maker.texts(100)))
            assert len(list(remote.root.glob("segments/*/vectors.zarr/vectors"))) == 1
            assert not remote.missing(maker.keys(maker.texts(*range(70)))).any()
            assert remote.info()["n_segments"] == 3

    def test_a_store_that_is_not_there(self, other, s3):
        with pytest.raises(StoreError, match="no store at s3://"):
            pull(other, open_source(f"{s3}/nothing"))


class TestHttp:
    def test_a_ref_is_all_that_a_plain_web_server_needs(self, filled, other, web, maker):
        publish(filled)
        url = web(filled.root)
        assert pull(other, open_source(url)).n_segments == 3
        assert_same(filled, other)
        with Store.open(url) as remote:
            np.testing.assert_array_equal(remote.matrix("demo.spot-symbols"), filled.matrix("demo.spot-symbols"))

    def test_without_a_ref_the_way_on_is_named(self, filled, other, web):
        with pytest.raises(StoreError, match="refs/main.json is not there; .*genesem-embed publish"):
            pull(other, open_source(web(filled.root)))

    def test_nothing_can_be_pushed_there(self, filled, web):
        with pytest.raises(StoreError, match="can only be read"):
            push(filled, web(filled.root))

    @pytest.mark.parametrize("fault", ["drop", "error", "truncate"])
    def test_faults_are_overcome(self, filled, other, web, fault):
        publish(filled)
        url = web(filled.root, fault=fault)
        assert pull(other, open_source(url)).n_segments == 3
        assert web.faults > 0
        assert_same(filled, other)

    def test_a_server_without_ranges_is_asked_from_the_start(self, filled, other, web):
        publish(filled)
        pull(other, open_source(web(filled.root, fault="truncate", ranges=False)))
        assert_same(filled, other)

    def test_a_transfer_that_failed_goes_on_where_it_stopped(self, big, other, web, monkeypatch):
        publish(big)
        url = web(big.root, fault="stop")
        with pytest.raises(DownloadError, match="run again to go on"):
            pull(other, open_source(url))
        (partial,) = other.root.glob("tmp/pull/*/vectors.zarr/vectors/c/0/0")
        assert 0 < partial.stat().st_size < 400_000
        assert other.segment_digests() == []
        web.heal()
        pull(other, open_source(url))
        assert any(start > 0 for start in web.starts)
        assert_same(big, other)

    def test_wrong_bytes_are_refused_and_not_kept(self, filled, other, web):
        publish(filled)
        with pytest.raises(IntegrityError, match="does not have the sha256 of its manifest"):
            pull(other, open_source(web(filled.root, fault="flip")))
        assert other.segment_digests() == []
        assert not list(other.root.glob("tmp/pull/*/"))

    def test_more_bytes_than_promised_are_not_written(self, filled, other, web):
        publish(filled)
        with pytest.raises(IntegrityError, match="sends more than"):
            pull(other, open_source(web(filled.root, fault="endless")))


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("ftp://lab/store", "is of no kind known here"),
        ("hf://nobody", "names no dataset"),
        ("s3://", "cannot be opened"),
    ],
)
def test_places_that_cannot_be(place, words):
    with pytest.raises(StoreError, match=words):
        open_source(place)


def test_a_hugging_face_dataset_is_read_through_its_web_address(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "secret")
    source = open_source("hf://datasets/lab/vectors@v1/store")
    assert not source.can_list
    assert "https://huggingface.co/datasets/lab/vectors/resolve/v1/store" in repr(source._objects)
