"""The border: what a slide must be, each refusal in one line with the way on."""

import warnings

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from genesem_embed.datasets import check_slide
from genesem_embed.errors import InputError


def _refused(slide, match, **options):
    with pytest.raises(InputError, match=match) as caught:
        check_slide(slide, **options)
    assert "\n" not in str(caught.value)


def test_order_and_annotations_are_kept_and_the_input_is_not_changed(make_slide):
    slide = make_slide()
    slide.obs["region"] = list("abcabc")
    slide.layers["counts"] = slide.X.copy()
    slide.X = slide.X.multiply(0.5).tocsr()
    before = slide.copy()
    checked = check_slide(slide, counts_layer="counts")
    assert list(checked.obs_names) == list(slide.obs_names)
    assert list(checked.var_names) == list(slide.var_names)
    assert checked.obs["region"].tolist() == list("abcabc")
    checked.obs["region"] = "z"
    assert slide.obs["region"].tolist() == list("abcabc")
    np.testing.assert_array_equal(slide.X.toarray(), before.X.toarray())
    np.testing.assert_array_equal(checked.X.toarray(), slide.layers["counts"].toarray())


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)], ids=["no spots", "no genes"])
def test_an_empty_slide(shape):
    _refused(ad.AnnData(np.zeros(shape, dtype=np.float32)), "the slide is empty")


def test_coordinates_that_are_not_there(make_slide):
    slide = make_slide()
    slide.obsm["X_umap"] = slide.obsm.pop("spatial")
    slide.obs["x"] = 1.0
    _refused(slide, r"no obsm\['spatial'\].*obsm has: X_umap; obs has: x")


@pytest.mark.parametrize("width", [1, 3])
def test_coordinates_of_the_wrong_shape(make_slide, width):
    slide = make_slide()
    slide.obsm["spatial"] = np.ones((6, width))
    _refused(slide, rf"shape \(6, {width}\), \(6, 2\) is expected" + (".*:2" if width == 3 else "$"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_missing_coordinates_are_counted(make_slide, bad):
    slide = make_slide()
    slide.obsm["spatial"][[1, 4], 0] = bad
    slide.obsm["spatial"][4, 1] = bad
    _refused(slide, "2 of 6 spots have NaN or missing coordinates")


def test_coordinates_that_are_text_or_all_alike(make_slide):
    slide = make_slide()
    slide.obsm["spatial"] = np.array([["a", "b"]] * 6, dtype=object)
    _refused(slide, "not numbers")
    slide.obsm["spatial"] = np.zeros((6, 2))
    _refused(slide, "all 6 spots have the same coordinates")


def test_coordinates_as_a_table_of_whole_numbers(make_slide):
    slide = make_slide()
    slide.obsm["spatial"] = pd.DataFrame({"x": range(6), "y": range(6, 12)}, index=slide.obs_names)
    np.testing.assert_array_equal(check_slide(slide).obsm["spatial"], np.arange(12.0).reshape(2, 6).T)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda x: x - 3, "negative values occur"),
        (np.log1p, "not whole numbers .* log-normalised"),
        (lambda x: x * 1e4 / 3, "not whole numbers .* normalised"),
        (lambda x: np.where(x > 2, np.nan, x), "values are missing or infinite"),
        (lambda x: x * 0, "every count is zero"),
        (lambda x: x * 1e9, "beyond what counts can be"),
    ],
    ids=["scaled", "log", "normalised", "nan", "zero", "huge"],
)
@pytest.mark.parametrize("dense", [True, False], ids=["dense", "sparse"])
def test_what_is_not_counts(make_slide, change, problem, dense):
    slide = make_slide()
    values = change(slide.X.toarray().astype(np.float64))
    slide.X = values if dense else sparse.csr_matrix(values)
    _refused(slide, f"X does not hold raw counts: .*{problem}.*no layer holds counts either")


def test_text_and_nothing_for_a_matrix(make_slide):
    slide = make_slide()
    slide.layers["counts"] = slide.X.copy()
    slide.X = None
    _refused(slide, "the slide has no X.*--counts-layer counts")
    assert check_slide(slide, counts_layer="counts").n_obs == 6
    _refused(slide, "the slide has no X, marker", kind="markers")


def test_truth_values_are_counts(make_slide):
    slide = make_slide()
    slide.X = slide.X.toarray() > 0
    assert check_slide(slide).X.dtype == np.float32


def test_the_layers_that_hold_counts_are_named(make_slide):
    slide = make_slide()
    slide.layers["scaled"] = slide.X.toarray() - 3
    slide.layers["umi"] = slide.X.copy()
    slide.raw = slide.copy()
    slide.X = np.log1p(slide.X.toarray())
    _refused(slide, "counts are in 'umi', 'raw': give `--counts-layer umi`")
    _refused(slide, r"no layer \(scaled, umi, raw\) holds counts either|counts are in", counts_layer="scaled")
    _refused(slide, "no layer 'counts' for --counts-layer; it has: scaled, umi, raw", counts_layer="counts")


def test_raw_brings_its_own_genes(make_slide):
    whole = make_slide()
    slide = whole[:, :2].copy()
    slide.raw = whole
    slide.X = np.log1p(slide.X.toarray())
    checked = check_slide(slide, counts_layer="raw")
    assert checked.n_vars == 4
    np.testing.assert_array_equal(checked.X.toarray(), whole.X.toarray())
    np.testing.assert_array_equal(checked.obsm["spatial"], whole.obsm["spatial"])


def test_repeated_names_are_made_unique_and_told(make_slide):
    slide = make_slide()
    slide.var.index = ["A", "B", "A", "A"]
    with pytest.warns(UserWarning, match="2 gene names occur more than once .*: A"):
        checked = check_slide(slide)
    assert list(checked.var_names) == ["A", "B", "A-1", "A-2"]
    slide = make_slide(2)
    slide.obs.index = ["s", "s"]
    with pytest.warns(UserWarning, match="1 spot ids occur more than once"):
        assert list(check_slide(slide).obs_names) == ["s", "s-1"]


def _ensembl(slide):
    slide.var_names = [f"ENSMUSG{i:011d}.2" for i in range(slide.n_vars)]
    return slide


def test_ensembl_ids_name_the_column_that_could_serve(make_slide):
    slide = _ensembl(make_slide())
    _refused(slide, r"Ensembl ids \(100% of 4, first ENSMUSG00000000000\.2\).*no var column holds symbols")
    slide.var["length"] = [1, 2, 3, 4]
    slide.var["type"] = "protein_coding"
    slide.var["ids"] = list(slide.var_names)
    slide.var["feature_name"] = pd.Categorical(["Mbp", "Gfap", "Snap25", "Plp1"])
    _refused(slide, "give `--gene-symbols feature_name`")
    checked = check_slide(slide, symbols="feature_name")
    assert list(checked.var_names) == ["Mbp", "Gfap", "Snap25", "Plp1"]
    assert list(slide.var_names)[0].startswith("ENSMUSG")
    _refused(slide, r"no var column 'symbol' for --gene-symbols; it has: length", symbols="symbol")


def test_a_gene_without_a_symbol_keeps_its_id(make_slide):
    slide = _ensembl(make_slide())
    slide.var["symbol"] = ["Mbp", "Gfap", None, "Plp1"]
    names = list(check_slide(slide, symbols="symbol").var_names)
    assert names == ["Mbp", "Gfap", "ENSMUSG00000000002.2", "Plp1"]


def test_a_few_ids_among_symbols_are_fine(make_slide):
    slide = make_slide()
    slide.var_names = ["MBP", "GFAP", "PLP1", "ENSG00000000001"]
    assert check_slide(slide).n_vars == 4


def test_markers_may_be_anything_finite(make_slide):
    slide = make_slide()
    slide.X = sparse.csr_matrix(slide.X.toarray() - 2.5)
    checked = check_slide(slide, kind="markers")
    assert isinstance(checked.X, np.ndarray)
    assert checked.X.dtype == np.float32
    slide.X = np.where(np.eye(6, 4) > 0, np.nan, 1.0)
    _refused(slide, "4 missing or infinite marker values in 4 cells", kind="markers")


def test_a_good_slide_is_quiet(make_slide):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_slide(make_slide())


def test_stored_zeros_go_and_the_input_keeps_its_own():
    matrix = sparse.csr_matrix(
        (np.array([2.0, 1.0, 0.0, 3.0]), np.array([1, 0, 2, 2]), np.array([0, 3, 4])), shape=(2, 3)
    )
    slide = ad.AnnData(matrix.copy(), obsm={"spatial": np.eye(2)})
    slide.var_names = ["MBP", "GFAP", "PLP1"]
    checked = check_slide(slide)
    assert checked.X.nnz == 3
    assert checked.X.has_sorted_indices
    np.testing.assert_array_equal(slide.X.data, matrix.data)
    np.testing.assert_array_equal(slide.X.indices, matrix.indices)
    np.testing.assert_array_equal(checked.X.toarray(), matrix.toarray())
