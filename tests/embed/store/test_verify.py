"""Nothing that happens to a published store goes unnoticed."""

import random
import shutil

import numpy as np
import pytest

from genesem_embed.errors import GenesemError
from genesem_embed.store import Store
from genesem_embed.store.sharing.publish import publish


@pytest.fixture
def published(filled):
    publish(filled)
    filled.close()
    (filled.root / "index.duckdb").unlink(missing_ok=True)
    shutil.rmtree(filled.root / "tmp", ignore_errors=True)
    return filled.root


def shared_files(root):
    return sorted(path for path in root.rglob("*") if path.is_file() and path.parts[len(root.parts)] != "tmp")


def notices(root, *, quick=False):
    """Tell whether opening or verifying finds anything."""
    try:
        with Store.open(root) as store:
            return not store.verify(quick=quick).ok
    except GenesemError:
        return True


def test_a_sound_store_is_found_sound(published):
    assert not notices(published)
    assert not notices(published, quick=True)


def test_every_one_of_500_flipped_bytes_is_noticed(published):
    pick = random.Random(0)
    files = shared_files(published)
    sizes = [path.stat().st_size for path in files]
    for _ in range(500):
        (path,) = pick.choices(files, sizes)
        sound = path.read_bytes()
        at = pick.randrange(len(sound))
        path.write_bytes(sound[:at] + bytes([sound[at] ^ (1 << pick.randrange(8))]) + sound[at + 1 :])
        assert notices(published), f"byte {at} of {path} went unnoticed"
        path.write_bytes(sound)
    assert not notices(published)


def test_every_deleted_file_is_noticed_at_a_glance(published):
    """Except a ref, whose removal takes back what it published and damages nothing."""
    for path in shared_files(published):
        if path.parent.name == "refs":
            continue
        sound = path.read_bytes()
        path.unlink()
        assert notices(published, quick=True), path
        path.write_bytes(sound)


def test_a_deleted_segment_is_noticed(published, tmp_path):
    for folder in sorted((published / "segments").iterdir()):
        folder.rename(tmp_path / "away")
        assert notices(published), folder
        (tmp_path / "away").rename(folder)


@pytest.mark.parametrize(
    "name",
    [
        "extra.txt",
        "spaces/x.json",
        "segments/x",
        "collections/a/b.json",
        "refs/.x.json",
        "segments/{0}/extra",
        "spaces/x",
    ],
)
def test_what_does_not_belong_is_reported(published, name):
    (first, *_) = sorted(path.name for path in (published / "segments").iterdir())
    path = published / name.format(first)
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    assert notices(published, quick=True)


def test_links_are_reported(published):
    path = published / "store.json"
    path.rename(published.parent / "elsewhere.json")
    path.symlink_to(published.parent / "elsewhere.json")
    assert notices(published, quick=True)


def test_conflicts_are_reported_but_are_no_fault(filled, maker):
    texts = maker.texts(0, 1)
    nearly = maker.vectors(texts) * 1.0001
    filled.publish_segment(maker.space, maker.keys(texts), nearly, texts, np.ones(2, np.int32), {})
    maker.publish(filled, maker.texts(50), seed=1)
    report = filled.verify()
    assert report.ok
    suspicious = [conflict for conflict in report.conflicts if conflict.suspicious]
    assert len(suspicious) == 1
    assert suspicious[0].key == maker.keys(maker.texts(50))[0].tobytes().hex()
    assert len(report.conflicts) >= 2
    assert report.to_json()["conflicts"][0]["cosine"] <= 1.0001


def test_an_index_that_lacks_rows_is_reported(filled, maker):
    import duckdb

    filled.missing(maker.keys(maker.texts(1)))
    filled.close()
    with duckdb.connect(str(filled.root / "index.duckdb")) as connection:
        connection.execute("DELETE FROM rows WHERE row = 0")
    with Store.open(filled.root) as store:
        report = store.verify()
    assert {problem.place for problem in report.problems} == {"index.duckdb"}
