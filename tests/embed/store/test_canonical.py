from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesem_embed.errors import IntegrityError
from genesem_embed.store.files.canonical import MAX_JSON_BYTES, canonical_json, is_digest, parse_json

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), VALUES, max_size=4))
@settings(max_examples=40)
def test_canonical_json_comes_back_and_is_stable(value):
    data = canonical_json(value)
    assert parse_json(data, "it") == value
    assert canonical_json(parse_json(data, "it")) == data


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{",
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":-Infinity}',
        b'{"a":"\xff"}',
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' + b"9" * 10_000 + b"}",
        b" " * (MAX_JSON_BYTES + 1),
    ],
    ids=["empty", "list", "broken", "repeated key", "nan", "infinity", "not utf-8", "deep", "long number", "large"],
)
def test_a_json_bomb_is_refused(data):
    with pytest.raises(IntegrityError, match="^it "):
        parse_json(data, "it")


@given(st.binary(max_size=200))
def test_any_bytes_give_an_object_or_the_one_error(data):
    with suppress(IntegrityError):
        assert isinstance(parse_json(data, "it"), dict)


@pytest.mark.parametrize("value", ["", "a" * 63, "A" * 64, "g" * 64, None, 5])
def test_what_is_no_digest(value):
    assert not is_digest(value)
