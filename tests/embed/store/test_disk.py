"""What is promised about a power cut: every file and folder is synced before the one rename that publishes it."""

import os
from pathlib import Path

import pytest

from genesem_embed.errors import StoreError
from genesem_embed.store import Store
from genesem_embed.store.files import disk


@pytest.fixture
def journal(monkeypatch):
    """Every fsync and rename, in their order."""
    events = []
    fsync, rename, replace = os.fsync, Path.rename, Path.replace

    def synced(descriptor):
        events.append(("sync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))
        fsync(descriptor)

    def moved(do):
        def move(source, target):
            events.append(("move", str(source), str(target)))
            return do(source, target)

        return move

    monkeypatch.setattr("genesem_embed.store.files.disk.os.fsync", synced)
    monkeypatch.setattr(Path, "rename", moved(rename))
    monkeypatch.setattr(Path, "replace", moved(replace))
    return events


def test_every_file_and_folder_is_synced_before_a_segment_is_renamed(tmp_path, maker, journal):
    store = Store.create(tmp_path / "s")
    journal.clear()
    digest = maker.publish(store, maker.texts(*range(5)))
    target = store.root / "segments" / digest
    (at,) = [number for number, event in enumerate(journal) if event[0] == "move" and event[2] == str(target)]
    staged = journal[at][1]
    synced = {event[1] for event in journal[:at] if event[0] == "sync"}
    expected = {f"{staged}/{path.relative_to(target)}" for path in target.rglob("*")} | {staged}
    assert expected <= synced
    assert journal[at + 1] == ("sync", str(target.parent))


def test_a_small_file_is_synced_before_and_its_folder_after(tmp_path, journal):
    disk.publish_file(tmp_path, tmp_path / "refs" / "x.json", b"{}")
    (at,) = [number for number, event in enumerate(journal) if event[0] == "move"]
    assert ("sync", journal[at][1]) in journal[:at]
    assert ("sync", str(tmp_path / "refs")) in journal[at:]


def test_what_is_staged_and_not_published_is_removed(tmp_path):
    def stop_half_way():
        with disk.staging(tmp_path) as folder:
            (folder / "half").write_bytes(b"x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    ("number", "words"),
    [(28, "disk is full"), (122, "quota"), (30, "read-only"), (13, "permission"), (27, "size limit")],
)
def test_what_a_disk_refuses_is_one_line(tmp_path, number, words):
    with pytest.raises(StoreError, match=words) as caught, disk.telling(tmp_path):
        raise OSError(number, os.strerror(number))
    assert "\n" not in str(caught.value)


def test_other_errors_stay_what_they_are(tmp_path):
    with pytest.raises(IsADirectoryError), disk.telling(tmp_path):
        tmp_path.read_bytes()
