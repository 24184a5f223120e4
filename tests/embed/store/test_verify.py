"""Nothing that happens to a published store goes unnoticed."""

import json
import random
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_embed.cli import app
from genesem_embed.errors import GenesemError
from genesem_embed.store import Store
from genesem_embed.store.sharing.publish import publish
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.source import FolderSource


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


def test_what_nothing_needs_is_noted_and_is_no_fault(filled, maker, tmp_path):
    assert filled.verify().notes == ()
    loose = maker.publish(filled, maker.texts(800))
    unused = maker.in_space(revision="unused").space
    (filled.root / "spaces" / f"{unused.id}.json").write_bytes(unused.to_json())
    table = filled.root / "collections" / "demo.spot-symbols" / f"{'b' * 64}.parquet"
    table.write_bytes(b"x")
    (filled.root / "tmp" / "crashed").mkdir()
    expected = {
        f"segments/{loose}": "no collection and no ref needs it",
        f"spaces/{unused.id}.json": "no segment and no collection belongs to it",
        table.relative_to(filled.root).as_posix(): "a table whose collection was never published",
        "tmp/crashed": "left by a crash",
    }
    report = filled.verify()
    assert report.ok
    assert {note.place: note.what for note in report.notes} == expected
    assert {note.place for note in filled.verify(quick=True).notes} == set(expected) - {f"segments/{loose}"}
    done = CliRunner().invoke(app, ["verify", "--store", str(filled.root)])
    assert done.exit_code == 0
    assert f"note: segments/{loose}: no collection and no ref needs it" in done.stdout
    told = json.loads(CliRunner().invoke(app, ["verify", "--store", str(filled.root), "--json"]).stdout)
    assert {note["place"]: note["what"] for note in told["notes"]} == expected


def test_a_pull_leaves_nothing_to_note(filled, tmp_path):
    with Store.create(tmp_path / "o") as other:
        pull(other, FolderSource(filled.root))
        assert other.verify().notes == ()
