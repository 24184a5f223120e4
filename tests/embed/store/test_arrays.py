import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.arrays import METADATA, SHARD, StoredArray, write_array

DTYPES = st.sampled_from([np.float16, np.float32, np.uint8])
ARRAYS = DTYPES.flatmap(lambda dtype: npst.arrays(dtype, st.tuples(st.integers(1, 40), st.integers(1, 9))))


def stored(folder, array, chunk_rows):
    write_array(folder, array, chunk_rows)
    return StoredArray(folder, array.shape, array.dtype)


@given(ARRAYS, st.integers(1, 50), st.data())
@settings(max_examples=60, deadline=None)
def test_zarr_and_the_reader_give_back_what_was_written(array, chunk_rows, data):
    with tempfile.TemporaryDirectory() as name:
        ours = stored(Path(name) / "a", array, chunk_rows)
        assert zarr.open_array(Path(name) / "a", mode="r")[:].tobytes() == array.tobytes()
        assert ours.read().tobytes() == array.tobytes()
        rows = np.sort(data.draw(npst.arrays(np.int64, st.integers(0, 30), elements=st.integers(0, len(array) - 1))))
        positions = np.random.default_rng(0).permutation(len(rows))
        out = np.zeros((len(rows), array.shape[1]), array.dtype)
        ours.gather(rows, out, positions)
        assert out[positions].tobytes() == array[rows].tobytes()


@pytest.fixture
def folder(tmp_path):
    write_array(tmp_path / "a", np.arange(80, dtype=np.float32).reshape(20, 4), 8)
    return tmp_path / "a"


def read(folder, shape=(20, 4), dtype=np.float32):
    return StoredArray(folder, shape, np.dtype(dtype)).read()


def test_every_flipped_byte_of_the_shard_is_noticed(folder):
    path = folder / SHARD
    sound = path.read_bytes()
    for at in range(len(sound)):
        path.write_bytes(sound[:at] + bytes([sound[at] ^ 1]) + sound[at + 1 :])
        with pytest.raises(IntegrityError):
            read(folder)
    path.write_bytes(sound)
    assert read(folder)[19, 3] == 79


@pytest.mark.parametrize("part", [METADATA, SHARD])
def test_a_missing_file_is_an_error_never_zeros(folder, part):
    (folder / part).unlink()
    with pytest.raises(IntegrityError, match="is missing"):
        read(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"crc32c"', '"crc32d"'),
        ('"name":"bytes"', '"name":"zstd"'),
        ('"float32"', '"float64"'),
        ('"float32"', '"|O"'),
        ("[20,4]", "[20,5]"),
        ("[24,4]", "[32,4]"),
        ("[8,4]", "[0,4]"),
        ("[8,4]", "[9999999999,4]"),
        ("[8,4]", "[8.0,4]"),
        ('"end"', '"start"'),
        ('"zarr_format":3', '"zarr_format":2'),
        ('"fill_value":0.0', '"fill_value":1.0'),
    ],
)
def test_any_other_arrangement_is_refused(folder, old, new):
    text = (folder / METADATA).read_text()
    assert old in text
    (folder / METADATA).write_text(text.replace(old, new))
    with pytest.raises(IntegrityError, match=METADATA):
        read(folder)


def test_a_shorter_or_longer_shard_is_refused(folder):
    sound = (folder / SHARD).read_bytes()
    for wrong in (sound[:-1], sound + b"\0", b""):
        (folder / SHARD).write_bytes(wrong)
        with pytest.raises(IntegrityError, match="bytes; expected"):
            read(folder)
