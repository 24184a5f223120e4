import json
from dataclasses import fields, replace

import pytest

from genesem_embed.errors import InputError, IntegrityError
from genesem_embed.store import Space


def test_the_way_to_json_and_back_keeps_the_id(maker):
    space = replace(maker.space, extra={"prefix": "query: "})
    assert Space.from_json(space.to_json()) == space
    assert Space.from_json(space.to_json()).id == space.id


def test_the_id_is_pinned(maker):
    assert maker.space.id == "28726bccaaec932fbf73d937d6fd5dbe7460d316e319c91742c869e380e085bc"


CHANGES = {
    "model": "other",
    "revision": "2",
    "weights_sha256": (("model.safetensors", "c" * 64),),
    "tokenizer_sha256": "c" * 64,
    "template_sha256": "c" * 64,
    "style": "chat",
    "pooling": "last",
    "layer": -2,
    "normalise": False,
    "compute_dtype": "bfloat16",
    "quantization": "nf4",
    "adapter_sha256": "c" * 64,
    "max_tokens": 65,
    "truncation": "end",
    "precision": "float32",
    "dim": 9,
    "engine": "openai",
    "extra": {"a": 1},
}


def test_every_field_decides_the_id(maker):
    assert set(CHANGES) == {field.name for field in fields(Space)}
    ids = {replace(maker.space, **{name: value}).id for name, value in CHANGES.items()}
    assert len(ids | {maker.space.id}) == len(CHANGES) + 1


def test_the_order_of_weight_files_does_not(maker):
    pair = (("a", "1" * 64), ("b", "2" * 64))
    assert replace(maker.space, weights_sha256=pair).id == replace(maker.space, weights_sha256=pair[::-1]).id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("style", "poem"),
        ("pooling", "max"),
        ("dim", 0),
        ("dim", 2.5),
        ("dim", True),
        ("max_tokens", -1),
        ("tokenizer_sha256", "abc"),
        ("weights_sha256", (("a", "xyz"),)),
        ("model", 7),
        ("normalise", "yes"),
        ("precision", "float64"),
    ],
)
def test_senseless_values_are_refused(maker, field, value):
    with pytest.raises(InputError, match="a space cannot be made"):
        replace(maker.space, **{field: value})


@pytest.mark.parametrize(
    "spoil",
    [
        lambda value: value.pop("dim"),
        lambda value: value.update(novelty=1),
        lambda value: value.update(dim="8"),
        lambda value: value.update(weights_sha256=[["a"]]),
        lambda value: value.update(weights_sha256=5),
        lambda value: value.update(extra=[]),
    ],
    ids=["field missing", "field unknown", "text for a number", "file without hash", "no list", "extra is a list"],
)
def test_a_strangers_space_is_checked(maker, spoil):
    value = json.loads(maker.space.to_json())
    spoil(value)
    with pytest.raises(IntegrityError):
        Space.from_json(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())


def test_json_that_is_not_canonical_is_refused(maker):
    with pytest.raises(IntegrityError, match="canonical"):
        Space.from_json(json.dumps(json.loads(maker.space.to_json())).encode())
