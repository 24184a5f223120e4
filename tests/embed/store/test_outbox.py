"""Building into a URL: safe on this disk first, then uploaded; what failed to go is sent by the next run."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_embed import build as steps
from genesem_embed.cli import app
from genesem_embed.encoders.model import describe_model
from genesem_embed.errors import DownloadError, InterruptedBuildError, NotAStoreError, StoreError
from genesem_embed.store import Store
from genesem_embed.store.sharing.pull import pull
from genesem_embed.store.sharing.remote import RemoteSource
from genesem_embed.store.sharing.source import open_source
from genesem_embed.texts import RecipeOptions

WAITS = "the cable is cut; what is finished waits in"


@pytest.fixture
def url(s3):
    return f"{s3}/lab/vectors"


@pytest.fixture
def elsewhere(monkeypatch, tmp_path):
    """Go on as another machine, with a cache folder of its own."""

    def move():
        monkeypatch.setenv("GENESEM_CACHE", str(tmp_path / "elsewhere"))

    return move


@pytest.fixture
def cable(monkeypatch):
    """A connection that can be cut after some uploads and mended."""
    write = RemoteSource.write

    class Cable:
        left = None

        def write(self, source, name, content):
            if self.left is not None:
                if self.left == 0:
                    msg = "the cable is cut"
                    raise DownloadError(msg)
                self.left -= 1
            write(source, name, content)

    cable = Cable()
    monkeypatch.setattr(RemoteSource, "write", lambda source, name, content: cable.write(source, name, content))
    return cable


def uploaded(url):
    return sorted(open_source(url).segments())


def test_what_is_published_is_over_there(url, maker, elsewhere):
    texts = maker.texts(*range(30))
    with Store.open(url, "a") as store:
        assert store.missing(maker.keys(texts)).all()
        digest = maker.publish(store, texts)
        assert uploaded(url) == [digest]
        assert not store.missing(maker.keys(texts)).any()
        info = maker.collect(store, texts)
        assert [found.digest for found in store.collections()] == [info.digest]
        np.testing.assert_array_equal(store.matrix(info), maker.stored(texts))
        assert not list(store.outbox.root.glob("segments/*"))
    elsewhere()
    with Store.open(url) as reader:
        np.testing.assert_array_equal(reader.matrix("demo.spot-symbols"), maker.stored(texts))
        assert reader.verify().ok


def test_what_another_machine_published_is_not_missing(url, maker, elsewhere, monkeypatch):
    with Store.open(url, "a") as here:
        maker.publish(here, maker.texts(1, 2))
        elsewhere()
        with Store.open(url, "a") as there:
            assert there.missing(maker.keys(maker.texts(1, 3))).tolist() == [False, True]
            maker.publish(there, maker.texts(3, 4))
        assert here.missing(maker.keys(maker.texts(1, 3, 5))).tolist() == [False, False, True]
        maker.collect(here, maker.texts(1, 3))
    assert len(uploaded(url)) == 2


@pytest.mark.parametrize("after", [0, 3, 8])
def test_an_upload_that_fails_is_made_up_for_by_the_next_run(url, maker, cable, after):
    texts = maker.texts(*range(20))
    store = Store.open(url, "a")
    cable.left = after
    with pytest.warns(UserWarning, match=WAITS):
        maker.publish(store, texts[:10])
    assert uploaded(url) == []
    assert not store.missing(maker.keys(texts[:10])).any()
    np.testing.assert_array_equal(store.get(maker.keys(texts[:10])), maker.stored(texts[:10]))
    cable.left = 0
    with pytest.raises(DownloadError, match="the cable is cut"):
        maker.collect(store, texts[:10])
    store.close()
    cable.left = None
    with Store.open(url, "a") as store:
        assert store.missing(maker.keys(texts)).tolist() == [False] * 10 + [True] * 10
        maker.publish(store, texts[10:])
        maker.collect(store, texts)
    assert len(uploaded(url)) == 2
    with Store.open(url) as reader:
        np.testing.assert_array_equal(reader.matrix("demo.spot-symbols"), maker.stored(texts))
        assert reader.verify().ok


def test_a_broken_connection_does_not_stop_the_encoder(url, maker, cable, monkeypatch):
    def broken(source):
        msg = "the cable is cut"
        raise DownloadError(msg)

    with Store.open(url, "a") as store:
        maker.publish(store, maker.texts(1))
        with monkeypatch.context() as cut:
            cut.setattr(RemoteSource, "segments", broken)
            cable.left = 0
            with pytest.warns(UserWarning, match="what was listed before counts for now"):
                assert store.missing(maker.keys(maker.texts(1, 2))).tolist() == [False, True]
            with pytest.warns(UserWarning, match=WAITS):
                maker.publish(store, maker.texts(2))
        cable.left = None
    assert len(uploaded(url)) == 2


def test_a_process_killed_at_any_moment_loses_nothing_that_it_had_finished(url, maker, crashes):
    for number, step in enumerate(range(0, 75, 8)):
        crashes.run(step, "build", url, "-", 10 * number, 10 * number + 1)
        if uploaded(url):
            with Store.open(url) as reader:
                assert reader.verify().ok
    assert crashes.killed > 5
    texts = maker.texts(*(10 * number + more for number in range(10) for more in (0, 1)))
    with Store.open(url, "a") as store:
        todo = [text for text, gone in zip(texts, store.missing(maker.keys(texts)), strict=True) if gone]
        maker.publish(store, todo, seed=1)
        maker.collect(store, texts)
        assert not list(store.outbox.root.glob("segments/*"))
    assert len(todo) < len(texts) - 4
    with Store.open(url) as reader:
        np.testing.assert_array_equal(reader.matrix("demo.spot-symbols"), maker.stored(texts, 1))


def test_several_processes_build_into_one_url_at_once(url, maker, tmp_path):
    """Two of them share a cache folder and so an outbox, the third is another machine."""
    worker = Path(__file__).with_name("worker.py")
    caches = [tmp_path / "one", tmp_path / "one", tmp_path / "two"]
    processes = [
        subprocess.Popen(
            [sys.executable, str(worker), "build", url, str(20 * number), str(20 * number + 40), f"slide{number}"],
            env={**os.environ, "GENESEM_CACHE": str(cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number, cache in enumerate(caches)
    ]
    for process in processes:
        _, told = process.communicate(timeout=240)
        assert process.returncode == 0, told
    with Store.open(url) as reader:
        assert [info.name for info in reader.collections()] == ["slide0", "slide1", "slide2"]
        for number, info in enumerate(reader.collections()):
            texts = maker.texts(*range(20 * number, 20 * number + 40))
            np.testing.assert_array_equal(reader.matrix(info), maker.stored(texts))
        assert reader.verify().ok


def test_closing_sends_the_rest_or_says_that_it_could_not(url, maker, cable):
    def work(problem=None):
        with Store.open(url, "a") as store:
            cable.left = 0
            maker.publish(store, maker.texts(1))
            if problem:
                raise problem

    with pytest.warns(UserWarning, match=WAITS), pytest.raises(DownloadError):
        work()
    with pytest.warns(UserWarning, match=WAITS), pytest.raises(KeyError, match="its own"):
        work(KeyError("its own"))
    cable.left = None
    with Store.open(url, "a"):
        pass
    assert len(uploaded(url)) == 1


def test_a_url_that_only_reads_is_refused(web, filled):
    with pytest.raises(StoreError, match="can only be read; build into a path or an s3://"):
        Store.open(web(filled.root), "a")


def test_a_place_that_holds_something_else_is_refused(s3):
    source = RemoteSource(f"{s3}/photos")
    source.write("holiday.jpg", b"x")
    with pytest.raises(NotAStoreError, match=r"there is no store\.json"):
        Store.open(f"{s3}/photos", "a")


def test_a_build_stopped_by_ctrl_c_has_sent_what_it_finished(url, fake_encoder, demo_slide, monkeypatch, elsewhere):
    monkeypatch.setattr(steps, "SEGMENT_ROWS", 16)
    slide, options = demo_slide[:60].copy(), RecipeOptions(top_genes=5)
    model = describe_model("minilm", precision="float32")

    def build(encoder):
        with Store.open(url, "a") as store:
            return steps.build(slide, "spot-symbols", options, model, store, load_encoder=lambda _: encoder)

    first = fake_encoder(model.space, stop_after=24)
    with pytest.raises(InterruptedBuildError):
        build(first)
    with Store.open(url) as reader:
        assert reader.info()["n_vectors"] == len(first.seen) == 24
    elsewhere()
    second = fake_encoder(model.space)
    report = build(second)
    assert not set(first.seen) & set(second.seen)
    assert report.n_stored == 24
    with Store.open(url) as reader:
        assert reader.matrix(report.collection).shape == (60, model.space.dim)
        assert reader.verify().ok


def test_the_command_builds_into_a_url(url, fake_encoder, demo_slide, tmp_path, elsewhere, monkeypatch):
    monkeypatch.setattr("genesem_embed.cli.engines.load", lambda model, *more: fake_encoder(model.space))
    demo_slide[::150].copy().write_h5ad(tmp_path / "few.h5ad")
    command = ["build", "--dataset", str(tmp_path / "few.h5ad"), "--store", url, "--model", "minilm", "--json"]

    def told(*more):
        done = CliRunner().invoke(app, [*command, *more])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    planned = told("--dry-run")
    assert planned["n_left"] == planned["n_unique"]
    built = told()
    assert built["n_encoded"] == planned["n_unique"]
    elsewhere()
    assert told("--dry-run")["n_left"] == 0
    again = told()
    assert (again["n_encoded"], again["digest"]) == (0, built["digest"])


def test_the_command_refuses_a_web_server_in_one_line(demo_slide, tmp_path, web, filled):
    demo_slide[:3].copy().write_h5ad(tmp_path / "few.h5ad")
    place = web(filled.root)
    done = CliRunner().invoke(
        app, ["build", "--dataset", str(tmp_path / "few.h5ad"), "--store", place, "--model", "minilm"]
    )
    assert done.exit_code == 1
    assert done.stderr.strip() == f"error: {place} can only be read; build into a path or an s3://, gs:// or az:// URL"


def test_a_pull_while_another_uploads_takes_whole_segments_alone(url, maker, cable, tmp_path):
    with Store.open(url, "a") as store:
        whole = maker.publish(store, maker.texts(1))
        cable.left = 6
        with pytest.warns(UserWarning, match=WAITS):
            maker.publish(store, maker.texts(2))
        with Store.create(tmp_path / "o") as other:
            pull(other, open_source(url))
            assert other.segment_digests() == [whole]
        cable.left = None
