"""Downloads against a real HTTP server: whole, wrong, broken off, refused, climbing and absent."""

import dataclasses
import hashlib
import io
import socket
import tarfile
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from genesem_embed.datasets import fetch_dataset, find_dataset, fingerprint, load_slide
from genesem_embed.datasets.registry import RemoteFile
from genesem_embed.errors import DownloadError

BODY = np.random.default_rng(0).bytes(1_000_003)
SHA = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def entry(server):
    """Return a function that makes a data set of one served file."""

    def make(body=BODY, **more):
        server.plan["files"]["/slide.h5ad"] = body
        options = {"filename": "slide.h5ad", "url": server.url("/slide.h5ad"), "sha256": SHA} | more
        return dataclasses.replace(find_dataset("me"), name="here", files=(RemoteFile(**options),))

    return make


def test_a_good_file_arrives_once(entry, server, tmp_path):
    place = fetch_dataset(entry(), folder=tmp_path)
    assert place == tmp_path / "here"
    assert (place / "slide.h5ad").read_bytes() == BODY
    fetch_dataset(entry(), folder=tmp_path)
    assert server.plan["served"] == [len(BODY)]
    assert [path.name for path in place.iterdir()] == ["slide.h5ad"]


def test_the_usual_place_is_the_users(entry, tmp_path, monkeypatch):
    monkeypatch.setenv("GENESEM_DATA", str(tmp_path / "mine"))
    assert fetch_dataset(entry()) == tmp_path / "mine" / "here"


def test_a_damaged_copy_is_fetched_again(entry, server, tmp_path):
    place = fetch_dataset(entry(), folder=tmp_path)
    (place / "slide.h5ad").write_bytes(BODY[:-1] + b"!")
    fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert len(server.plan["served"]) == 2


def test_a_wrong_checksum_leaves_nothing(entry, tmp_path):
    with pytest.raises(DownloadError, match="sha256 differs") as caught:
        fetch_dataset(entry(body=b"other bytes"), folder=tmp_path)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_size_leaves_nothing(entry, tmp_path):
    with pytest.raises(DownloadError, match="delivered 11 bytes, 12 were expected"):
        fetch_dataset(entry(body=b"other bytes", sha256=None, size=12), folder=tmp_path)
    assert not (tmp_path / "here" / "slide.h5ad").exists()


def test_a_broken_download_goes_on_where_it_stopped(entry, server, tmp_path):
    server.plan["break_after"] = 600_000
    with pytest.raises(DownloadError, match="the connection broke off") as caught:
        fetch_dataset(entry(), folder=tmp_path)
    part = tmp_path / "here" / "slide.h5ad.part"
    kept = part.stat().st_size
    assert 0 < kept <= 600_000
    assert f"{kept} bytes are kept and the same command goes on" in str(caught.value)
    place = fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert server.plan["served"] == [600_000, len(BODY) - kept]
    assert not part.exists()


def test_a_file_that_changed_meanwhile_is_not_glued_together(entry, server, tmp_path):
    server.plan["break_after"] = 600_000
    with pytest.raises(DownloadError):
        fetch_dataset(entry(sha256=None), folder=tmp_path)
    server.plan["etag"] = '"two"'
    other = BODY[::-1]
    place = fetch_dataset(entry(body=other, sha256=None), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == other


@pytest.mark.parametrize(("etag", "ranges"), [(None, True), ('"one"', False)], ids=["no mark", "no ranges"])
def test_a_server_that_cannot_resume_starts_anew(entry, server, tmp_path, etag, ranges):
    server.plan |= {"break_after": 600_000, "etag": etag, "ranges": ranges}
    with pytest.raises(DownloadError):
        fetch_dataset(entry(), folder=tmp_path)
    place = fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert len(BODY) in server.plan["served"]  # all of it; the thread that broke off may take note after that


def test_a_part_that_is_already_whole_is_used(entry, server, tmp_path):
    place = tmp_path / "here"
    place.mkdir()
    (place / "slide.h5ad.part").write_bytes(BODY)
    (place / "slide.h5ad.part.etag").write_text('"one"')
    fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert server.plan["served"] == []


def test_a_part_longer_than_the_file_is_thrown_away(entry, server, tmp_path):
    place = tmp_path / "here"
    place.mkdir()
    (place / "slide.h5ad.part").write_bytes(BODY + b"more")
    (place / "slide.h5ad.part.etag").write_text('"one"')
    fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY


def test_a_missing_file_is_told_with_the_way_on(entry, server, tmp_path):
    found = entry(url=server.url("/nowhere"))
    with pytest.raises(DownloadError, match="the server answered 404") as caught:
        fetch_dataset(found, folder=tmp_path)
    text = str(caught.value)
    assert found.source in text
    assert str(tmp_path / "here" / "slide.h5ad") in text
    assert "--dataset demo" in text
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all(entry, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match=r"no connection.*by hand.*--dataset demo"):
        fetch_dataset(entry(url=f"http://127.0.0.1:{port}/slide.h5ad"), folder=tmp_path)


def test_a_file_put_there_by_hand_needs_no_server(entry, server, tmp_path):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "slide.h5ad").write_bytes(BODY)
    fetch_dataset(entry(), folder=tmp_path)
    assert server.plan["served"] == []


def test_a_file_without_a_link_is_asked_for_by_hand(entry, tmp_path):
    with pytest.raises(DownloadError, match=r"no direct link to slide\.h5ad is known; get it from .* and put it at"):
        fetch_dataset(entry(url=None), folder=tmp_path)


def test_a_folder_that_cannot_be_written(entry, tmp_path):
    (tmp_path / "taken").write_text("a file where the data folder should be")
    for dataset in (entry(), find_dataset("demo")):
        with pytest.raises(DownloadError, match=r"cannot write to .*: set GENESEM_DATA to another folder"):
            fetch_dataset(dataset, folder=tmp_path / "taken")


def _zip(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as opened:
        for name, body in members.items():
            opened.writestr(name, body)
    return stream.getvalue()


def _tar(members):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as opened:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            opened.addfile(info, io.BytesIO(body))
    return stream.getvalue()


def _packed(entry, body, member, filename="slide.h5ad"):
    return entry(
        body=body, filename=filename, archive="slide.bin", member=member, sha256=hashlib.sha256(body).hexdigest()
    )


@pytest.mark.parametrize("pack", [_zip, _tar], ids=["zip", "tar.gz"])
def test_one_member_is_taken_out_of_an_archive(entry, server, tmp_path, pack):
    found = _packed(entry, pack({"in/slide.h5ad": BODY, "in/readme": b"no"}), "in/slide.h5ad")
    place = fetch_dataset(found, folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert sorted(path.name for path in place.iterdir()) == ["slide.bin", "slide.h5ad"]
    fetch_dataset(found, folder=tmp_path)
    assert len(server.plan["served"]) == 1


@pytest.mark.parametrize("pack", [_zip, _tar], ids=["zip", "tar.gz"])
def test_a_folder_is_taken_out_of_an_archive(entry, tmp_path, pack):
    found = _packed(
        entry, pack({"spatial/a.csv": b"a", "spatial/b/c.csv": b"c", "spatial.txt": b"no"}), "spatial/", "spatial"
    )
    place = fetch_dataset(found, folder=tmp_path) / "spatial"
    assert (place / "a.csv").read_bytes() == b"a"
    assert (place / "b" / "c.csv").read_bytes() == b"c"
    assert not (place.parent / "spatial.txt").exists()


@pytest.mark.parametrize("pack", [_zip, _tar], ids=["zip", "tar.gz"])
@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "in/../../evil", "..\\evil", "C:\\evil"])
def test_an_archive_that_climbs_out_is_refused(entry, tmp_path, pack, name):
    found = _packed(entry, pack({"in/slide.h5ad": BODY, name: b"evil"}), "in/slide.h5ad")
    with pytest.raises(DownloadError, match="outside its own folder"):
        fetch_dataset(found, folder=tmp_path / "data")
    assert not list(tmp_path.rglob("*evil*"))
    assert not (tmp_path / "data" / "here" / "slide.h5ad").exists()


def test_an_archive_that_is_none(entry, tmp_path):
    with pytest.raises(DownloadError, match="not a whole archive"):
        fetch_dataset(_packed(entry, b"neither zip nor tar", "in/slide.h5ad"), folder=tmp_path)


def test_an_archive_without_the_member(entry, tmp_path):
    with pytest.raises(DownloadError, match="holds no 'in/slide.h5ad'"):
        fetch_dataset(_packed(entry, _zip({"other": b"x"}), "in/slide.h5ad"), folder=tmp_path)


def test_the_demo_is_made_and_read_as_a_file(tmp_path):
    place = fetch_dataset(find_dataset("demo"), folder=tmp_path)
    assert [path.name for path in place.iterdir()] == ["demo.h5ad"]
    by_name, by_path = load_slide("demo"), load_slide(place / "demo.h5ad")
    assert fingerprint(by_name) == fingerprint(by_path)
    assert fetch_dataset(find_dataset("demo"), folder=tmp_path) == place


def test_jobs_that_start_together_download_once(entry, server, tmp_path):
    found = entry()
    with ThreadPoolExecutor(4) as jobs:
        places = list(jobs.map(lambda _: fetch_dataset(found, folder=tmp_path), range(4)))
    assert {(place / "slide.h5ad").read_bytes() for place in places} == {BODY}
    assert server.plan["served"] == [len(BODY)]


def test_without_a_cache_folder_there_is_no_lock(entry, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("where the cache folder should be")
    monkeypatch.setenv("GENESEM_CACHE", str(tmp_path / "file"))
    assert (fetch_dataset(entry(), folder=tmp_path) / "slide.h5ad").read_bytes() == BODY


def test_a_download_stopped_by_hand_goes_on_where_it_stopped(entry, server, tmp_path, monkeypatch):
    def stop(bar, n):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("genesem_embed.datasets.download.tqdm.update", stop)
        with pytest.raises(KeyboardInterrupt):
            fetch_dataset(entry(), folder=tmp_path)
    kept = (tmp_path / "here" / "slide.h5ad.part").stat().st_size
    assert 0 < kept < len(BODY)
    place = fetch_dataset(entry(), folder=tmp_path)
    assert (place / "slide.h5ad").read_bytes() == BODY
    assert len(BODY) - kept in server.plan["served"]  # as above: the thread that broke off may take note last
