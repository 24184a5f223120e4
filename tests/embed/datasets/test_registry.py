"""The registry: every data set of the design is there, whole, and found without loading anything heavy."""

import subprocess
import sys

import pytest

from genesem_embed.datasets import find_dataset, is_registered, list_datasets
from genesem_embed.errors import UnknownNameError

DLPFC = [151507, 151508, 151509, 151510, *range(151669, 151677)]
NAMES = {"demo", "hbc", "mba", "me", "mvc", "damond-t1d", "karimi-brain", *(f"dlpfc-{section}" for section in DLPFC)}


def test_every_data_set_is_registered():
    assert {entry.name for entry in list_datasets()} == NAMES


@pytest.mark.parametrize("name", sorted(NAMES))
def test_an_entry_tells_all_it_should(name):
    entry = find_dataset(name)
    assert is_registered(name)
    assert all(
        [entry.title, entry.source, entry.licence, entry.citation, entry.technology, entry.note, entry.label_key]
    )
    assert entry.organism in {"human", "mouse"}
    assert entry.resolution in {"spot-array", "single-cell"}
    assert entry.files or entry.reader == "demo"
    for file in entry.files:
        assert file.url is None or file.url.startswith("https://")
        assert file.sha256 is None or len(file.sha256) == 64
        assert (file.archive is None) == (file.member is None)
    if entry.kind == "counts":
        assert entry.preset
        assert entry.n_domains


@pytest.mark.parametrize(("section", "n_domains"), [(151507, 7), (151669, 5), (151672, 5), (151673, 7)])
def test_sections_differ_in_their_layers(section, n_domains):
    assert find_dataset(f"dlpfc-{section}").n_domains == n_domains


@pytest.mark.parametrize(("name", "near"), [("hcb", "hbc"), ("DLPFC-151673", "dlpfc-151673"), ("demos", "demo")])
def test_an_unknown_name_shows_the_nearest(name, near):
    with pytest.raises(UnknownNameError, match=f"did you mean .*{near}"):
        find_dataset(name)


def test_a_name_like_none_shows_them_all():
    with pytest.raises(UnknownNameError, match=r"known are damond-t1d, demo.*datasets list"):
        find_dataset("zzzzzz")


def test_listing_loads_nothing_heavy():
    code = (
        "import sys; from genesem_embed.datasets import list_datasets; assert list_datasets();"
        "print([m for m in ('numpy', 'pandas', 'anndata', 'scanpy', 'pooch', 'torch') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_function_is_not_hidden_by_its_module():
    import genesem_embed.datasets as datasets
    import genesem_embed.datasets.fingerprint  # noqa: F401

    assert callable(datasets.fingerprint)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        datasets.nothing  # noqa: B018
