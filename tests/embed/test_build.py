"""Slide to store: what is encoded, what is not encoded again, and what survives an interruption."""

import threading

import numpy as np
import pytest

from genesem_embed import build as steps
from genesem_embed.encoders.model import describe_model
from genesem_embed.encoders.problems import Problems
from genesem_embed.encoders.protocol import EncodedBatch
from genesem_embed.errors import EncodingError, InterruptedBuildError, TextsFailedError
from genesem_embed.store import Store
from genesem_embed.texts import RecipeOptions


class CountingEncoder:
    """Turns a text into numbers drawn from its characters, eight texts a batch, and remembers what it was asked."""

    device = "test"

    def __init__(self, space, stop_after=None):
        self.space = space
        self.seen = []
        self.stop_after = stop_after

    def encode(self, texts):
        for start in range(0, len(texts), 8):
            if self.stop_after is not None and len(self.seen) >= self.stop_after:
                raise KeyboardInterrupt
            rows = np.arange(start, min(start + 8, len(texts)))
            self.seen += [texts[row] for row in rows]
            vectors = np.stack([self.vector(texts[row]) for row in rows])
            yield EncodedBatch(rows=rows, vectors=vectors, n_tokens=np.full(len(rows), 5, np.int32))

    def vector(self, text):
        seed = int.from_bytes(text.encode()[-8:].rjust(8, b"0"), "big")
        return np.random.default_rng(seed).normal(size=self.space.dim).astype(np.float32)


@pytest.fixture
def model(minilm):
    return describe_model("minilm", precision="float32")


@pytest.fixture
def slide(demo_slide):
    return demo_slide[:100].copy()


def run(slide, model, store, encoder, **options):
    return steps.build(
        slide, "spot-symbols", RecipeOptions(top_genes=5), model, store, load_encoder=lambda _: encoder, **options
    )


def no_encoder(model):
    pytest.fail("the encoder was loaded although every vector is stored")


def test_a_build_stores_every_vector_and_a_second_one_encodes_nothing(slide, model, tmp_path):
    encoder = CountingEncoder(model.space)
    with Store.open(tmp_path / "s", mode="a") as store:
        first = run(slide, model, store, encoder)
        assert first.n_encoded == first.n_unique == len(encoder.seen) == len(set(encoder.seen))
        assert first.n_stored == first.n_left == 0
        second = steps.build(slide, "spot-symbols", RecipeOptions(top_genes=5), model, store, load_encoder=no_encoder)
        assert (second.n_encoded, second.n_stored, second.digest) == (0, first.n_unique, first.digest)
        work = steps.plan(slide, "spot-symbols", RecipeOptions(top_genes=5), model, store)
        (collection,) = store.collections()
        assert store.ids(collection) == list(slide.obs_names)
        expected = np.stack([encoder.vector(text) for text in work.texts])
        np.testing.assert_array_equal(store.matrix(collection), expected)


def test_a_dry_run_counts_and_writes_nothing(slide, model, tmp_path):
    work = steps.plan(slide, "spot-symbols", RecipeOptions(top_genes=5), model, None)
    report = steps.dry_run(work, model)
    assert report.n_ids == slide.n_obs
    assert report.n_left == report.n_unique <= report.n_ids
    assert report.n_tokens_left == sum(model.count_tokens([work.texts[row]])[0] for row in work.todo)
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_keeps_what_is_finished_and_the_rerun_goes_on(slide, model, tmp_path):
    whole = CountingEncoder(model.space)
    with Store.open(tmp_path / "whole", mode="a") as store:
        digest = run(slide, model, store, whole).digest
    stopped, resumed = CountingEncoder(model.space, stop_after=24), CountingEncoder(model.space)
    with Store.open(tmp_path / "s", mode="a") as store:
        with pytest.raises(InterruptedBuildError, match="run the same command again"):
            run(slide, model, store, stopped)
        assert store.collections() == []
        report = run(slide, model, store, resumed)
        assert report.n_stored == len(stopped.seen) == 24
        assert set(stopped.seen).isdisjoint(resumed.seen)
        assert set(stopped.seen) | set(resumed.seen) == set(whole.seen)
        assert report.digest == digest


def test_a_limit_encodes_a_part_and_leaves_the_collection_for_later(slide, model, tmp_path):
    encoder = CountingEncoder(model.space)
    with Store.open(tmp_path / "s", mode="a") as store:
        part = run(slide, model, store, encoder, limit=10)
        assert (part.n_encoded, part.collection) == (10, None)
        assert part.n_left == part.n_unique - 10
        rest = run(slide, model, store, encoder)
        assert rest.n_encoded == rest.n_unique - 10
        assert rest.collection is not None


def test_texts_that_another_build_published_meanwhile_are_not_encoded_again(slide, model, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "SEGMENT_ROWS", 32)
    other = Store.open(tmp_path / "s", mode="a")

    class Rival(CountingEncoder):
        """Lets another process publish everything while the first segment is being encoded."""

        def encode(self, texts):
            if not self.seen:
                run(slide, model, other, CountingEncoder(self.space))
            yield from super().encode(texts)

    encoder = Rival(model.space)
    with Store.open(tmp_path / "s", mode="a") as store:
        report = run(slide, model, store, encoder)
    assert report.n_encoded == len(encoder.seen) == 32
    assert (report.n_elsewhere, report.n_left) == (report.n_unique - 32, 0)
    assert report.collection is not None


def test_a_full_store_is_left_as_it_is(slide, model, tmp_path):
    with Store.open(tmp_path / "s", mode="a") as store:
        first = run(slide, model, store, CountingEncoder(model.space))
    with Store.open(tmp_path / "s", mode="r") as store:  # a store that may not be written is enough
        again = steps.build(slide, "spot-symbols", RecipeOptions(top_genes=5), model, store, load_encoder=no_encoder)
    assert (again.digest, again.n_encoded) == (first.digest, 0)


class PickyEncoder(CountingEncoder):
    """Cannot encode texts that name a gene."""

    def encode(self, texts):
        problems = Problems()
        for batch in super().encode(texts):
            good = np.asarray([self.gene not in texts[row] for row in batch.rows])
            for row in batch.rows[~good].tolist():
                problems.add(row, texts[row], "is too much")
            yield EncodedBatch(rows=batch.rows[good], vectors=batch.vectors[good], n_tokens=batch.n_tokens[good])
        problems.raise_if_any()


def test_texts_that_fail_are_all_told_by_name_and_the_others_are_kept(slide, model, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "SEGMENT_ROWS", 16)
    work = steps.plan(slide, "spot-symbols", RecipeOptions(top_genes=5), model, None)
    encoder = PickyEncoder(model.space)
    encoder.gene = "RP"
    bad = {row for row in work.todo.tolist() if "RP" in work.texts[row]}
    assert len(bad) > 16  # in several segments
    with Store.open(tmp_path / "s", mode="a") as store:
        with pytest.raises(
            TextsFailedError, match=rf"^{len(bad)} texts could not .*; and {len(bad) - 3} more"
        ) as caught:
            run(slide, model, store, encoder)
        left = steps.plan(slide, "spot-symbols", RecipeOptions(top_genes=5), model, store).todo
    assert {one.row for one in caught.value.failed} == bad == set(left.tolist())
    assert {one.name for one in caught.value.failed} == {f"spot {slide.obs_names[row]}" for row in bad}


def test_a_segment_is_written_while_the_next_is_computed(slide, model, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "SEGMENT_ROWS", 32)
    written, waited = threading.Event(), []

    class Waiting(CountingEncoder):
        """Computes no second segment before the first one is published."""

        def encode(self, texts):
            if self.seen:
                waited.append(written.wait(20))
            yield from super().encode(texts)

    with Store.open(tmp_path / "s", mode="a") as store:
        usual = store.publish_segment

        def publish(*arguments):
            digest = usual(*arguments)
            written.set()
            return digest

        monkeypatch.setattr(store, "publish_segment", publish)
        run(slide, model, store, Waiting(model.space))
    assert waited
    assert all(waited)


def test_an_encoder_that_breaks_down_ends_the_build_with_what_is_finished(slide, model, tmp_path, monkeypatch):
    monkeypatch.setattr(steps, "SEGMENT_ROWS", 16)

    class Breaking(CountingEncoder):
        def encode(self, texts):
            for number, batch in enumerate(super().encode(texts)):
                if len(self.seen) > 24 and number:
                    msg = "the server does not answer"
                    raise EncodingError(msg)
                yield batch

    encoder = Breaking(model.space)
    with Store.open(tmp_path / "s", mode="a") as store:
        with pytest.raises(EncodingError, match="does not answer"):
            run(slide, model, store, encoder)
        left = steps.plan(slide, "spot-symbols", RecipeOptions(top_genes=5), model, store)
        assert left.n_unique - len(left.todo) == len(encoder.seen) - 8 == 24
        assert store.collections() == []


def test_the_report_says_how_vectors_were_computed(slide, model, tmp_path):
    class Telling(CountingEncoder):
        facts = {"attention": "by hand"}

    with Store.open(tmp_path / "s", mode="a") as store:
        report = run(slide, model, store, Telling(model.space))
        assert report.to_json()["encoder"] == {"device": "test", "attention": "by hand"}
        (digest,) = store.segment_digests()
        assert store.segment(digest).provenance()["encoder"] == {"attention": "by hand"}
        assert run(slide, model, store, Telling(model.space)).encoder == {}
