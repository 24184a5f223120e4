import hashlib

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from genesem_embed.store.keys import as_bytes32, key_order, row_hashes, text_keys

IDS = st.sampled_from(["0" * 64, "f" * 64, "0f" * 32])


def by_hand(space_id, text):
    parts = [space_id.encode(), text.encode()]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


@given(IDS, st.lists(st.text()))
def test_a_key_is_the_hash_of_the_length_prefixed_pair(space_id, texts):
    keys = text_keys(space_id, texts)
    assert keys.shape == (len(texts), 32)
    assert keys.dtype == np.uint8
    assert [row.tobytes() for row in keys] == [by_hand(space_id, text) for text in texts]


def test_golden_key():
    key = text_keys("0" * 64, ["MBP PLP1 MOBP"])[0].tobytes().hex()
    assert (
        key
        == hashlib.sha256((64).to_bytes(8, "big") + b"0" * 64 + (13).to_bytes(8, "big") + b"MBP PLP1 MOBP").hexdigest()
    )


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=20), st.data())
def test_key_order_sorts_bytes_and_breaks_ties(values, data):
    values = values + values[:3]
    ties = data.draw(st.lists(st.binary(min_size=32, max_size=32), min_size=len(values), max_size=len(values)))
    keys, other = (np.frombuffer(b"".join(part), np.uint8).reshape(-1, 32) for part in (values, ties))
    order = key_order(keys, other).tolist()
    pairs = list(zip(values, ties, strict=True))
    assert [pairs[at] for at in order] == sorted(pairs)
    assert [value.tobytes() for value in np.sort(as_bytes32(keys))] == sorted(values)


def test_row_hashes_do_not_depend_on_byte_order_or_strides():
    vectors = np.arange(24, dtype=np.float32).reshape(4, 6)
    expected = [hashlib.sha256(row.tobytes()).digest() for row in vectors]
    for same in (vectors, vectors.astype(">f4"), np.asfortranarray(vectors)):
        assert [row.tobytes() for row in row_hashes(same)] == expected
