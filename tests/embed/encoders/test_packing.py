"""Packed rows against the plain definition: every text finds its own tokens, and equal beginnings are there once."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genesem_embed.encoders.packing import n_shared, pack, tree_batches

IDS = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=1, max_size=12).map(
    lambda texts: [np.asarray(text, np.int32) for text in texts]
)


@given(IDS, st.integers(1, 30), st.booleans())
def test_batches_hold_every_text_once_within_the_budget(ids, budget, causal):
    batches = list(tree_batches(ids, budget, causal=causal))
    assert sorted(np.concatenate(batches)) == list(range(len(ids)))
    for batch in batches:
        n_packed = len(pack([ids[row] for row in batch], causal=causal).ids)
        assert n_packed <= budget or len(batch) == 1


@given(IDS)
def test_a_causal_pack_is_the_prefix_tree(ids):
    (batch,) = tree_batches(ids, 10_000, causal=True)
    ordered = [ids[row] for row in batch]
    packed = pack(ordered, causal=True)
    for text, path, length in zip(ordered, packed.paths, packed.lengths, strict=True):
        np.testing.assert_array_equal(packed.ids[path[:length]], text)
        np.testing.assert_array_equal(packed.positions[path[:length]], np.arange(length))
    beginnings = {tuple(text[:n]) for text in ordered for n in range(1, len(text) + 1)}
    assert len(packed.ids) == len(beginnings)


@given(IDS)
def test_other_packs_share_nothing(ids):
    packed = pack(ids, causal=False)
    assert len(packed.ids) == sum(map(len, ids))
    assert sum(len(runs.starts) for runs in packed.runs) == len(ids)
    every = [zip(runs.starts, runs.n_new, strict=True) for runs in packed.runs]
    new = np.concatenate([start + np.arange(n) for pairs in every for start, n in pairs])
    assert sorted(new) == list(range(len(packed.ids)))


def test_shared_beginnings():
    one = np.array([1, 2, 3])
    assert n_shared(one, np.array([1, 2, 4, 5])) == 2
    assert n_shared(one, np.array([1, 2])) == 2
    assert n_shared(one, one) == 3
    assert n_shared(one, np.array([9])) == 0


def test_nothing_gives_no_batches():
    assert list(tree_batches([], 10, causal=True)) == []
