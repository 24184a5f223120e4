"""What a slide is and what its annotation says."""

import hashlib

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from genesem_embed.datasets import fingerprint, labels
from genesem_embed.errors import InputError


def _slide(values, spots=None, genes=None):
    values = np.asarray(values)
    obs = pd.DataFrame(index=spots or [f"s{i}" for i in range(values.shape[0])])
    var = pd.DataFrame(index=genes or [f"g{i}" for i in range(values.shape[1])])
    return ad.AnnData(values, obs=obs, var=var)


def test_a_known_slide_keeps_its_fingerprint():
    slide = _slide(np.array([[1.0, 0.0], [2.0, 3.0]], dtype=np.float32), genes=["A", "Bé"])
    parts = [b"genesem-slide-1"]
    parts += [_int(2), _int(2), b"s0", _int(2), b"s1"]
    parts += [_int(2), _int(1), b"A", _int(3), "Bé".encode()]
    parts += [b"i", np.array([0, 1, 3, 0, 0, 1, 1, 2, 3], dtype="<i8").tobytes()]
    assert fingerprint(slide) == hashlib.sha256(b"".join(parts)).hexdigest()


def _int(number):
    return number.to_bytes(8, "big")


@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=5))
def test_the_form_of_whole_numbers_does_not_matter(rows):
    dense = np.array(rows, dtype=np.float32)
    expected = fingerprint(_slide(dense))
    assert fingerprint(_slide(dense.astype(np.int64))) == expected
    slide = _slide(dense)
    for form in (sparse.csr_matrix, sparse.csc_matrix):
        slide.X = form(dense.astype(np.float64))
        assert fingerprint(slide) == expected


def test_unsorted_indices_and_stored_zeros_do_not_matter():
    slide = _slide(np.array([[1.0, 2.0, 0.0]]))
    expected = fingerprint(slide)
    slide.X = sparse.csr_matrix((np.array([2.0, 1.0, 0.0]), np.array([1, 0, 2]), np.array([0, 3])), shape=(1, 3))
    assert fingerprint(slide) == expected
    assert slide.X.nnz == 3


@pytest.mark.parametrize(
    "other",
    [
        _slide([[1, 2], [3, 5]]),
        _slide([[2, 1], [4, 3]]),
        _slide([[1, 2], [3, 4]], genes=["g1", "g0"]),
        _slide([[1, 2], [3, 4]], spots=["s0", "s1x"]),
        _slide([[1, 2], [3, 4]], spots=["s0s", "1"]),
        _slide([[1.0, 2.0], [3.0, 4.5]]),
    ],
    ids=["value", "order of values", "order of genes", "spot", "border of names", "fraction"],
)
def test_what_matters_changes_it(other):
    assert fingerprint(other) != fingerprint(_slide([[1, 2], [3, 4]]))


def test_markers_have_one_too():
    values = np.array([[-1.5, 0.25], [0.0, 2.0]])
    assert fingerprint(_slide(values.astype(np.float32))) == fingerprint(_slide(values))


def _labelled(values):
    slide = ad.AnnData(np.ones((len(values), 1), dtype=np.float32))
    slide.obs["region"] = values if isinstance(values, pd.Categorical) else pd.Series(values, index=slide.obs_names)
    return slide


def test_what_counts_as_missing():
    values = ["L1", "", "nan", "NA", "None", "undetermined", " ", None, np.nan, "WM"]
    found = labels(_labelled(values), "region")
    assert found.tolist() == ["L1", *[np.nan] * 8, "WM"]
    assert list(found.categories) == ["L1", "WM"]


def test_the_order_of_categories_is_kept_and_unused_ones_go():
    values = pd.Categorical(["b", "a", "NA"], categories=["z", "b", "NA", "a"], ordered=True)
    found = labels(_labelled(values), "region")
    assert list(found.categories) == ["b", "a"]
    assert list(labels(_labelled(["b", "a", "c"]), "region").categories) == ["a", "b", "c"]


@pytest.mark.parametrize("values", [[1, 2, 1], [1.0, 2.0, 1.0], [True, False, True]], ids=["int", "float", "bool"])
def test_numbers_become_classes(values):
    found = labels(_labelled(values), "region")
    assert found.tolist() == [str(int(v)) if not isinstance(v, bool) else str(v) for v in values]
    assert labels(_labelled([1.0, np.nan, 3.0]), "region").tolist() == ["1", np.nan, "3"]


def test_what_is_no_annotation():
    with pytest.raises(InputError, match=r"no obs column 'regoin'; did you mean 'region'\? it has: region"):
        labels(_labelled(["a"]), "regoin")
    with pytest.raises(InputError, match=r"holds measurements such as 0\.5"):
        labels(_labelled([0.5, 1.0]), "region")
    with pytest.raises(InputError, match="has no label for any of the 2 spots"):
        labels(_labelled(["", None]), "region")
