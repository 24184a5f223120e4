"""Space Ranger output in all the forms it has had."""

import csv
import gzip

import numpy as np
import pandas as pd
import pytest
from scipy import io, sparse

from genesem_embed.datasets import load_slide
from genesem_embed.errors import InputError

BARCODES = ["AAA-1", "CCC-1", "GGG-1", "TTT-1"]
COUNTS = np.array([[1, 0, 2, 3], [0, 5, 0, 1], [4, 4, 4, 4]], dtype=np.int32)
"""Gene by barcode."""
SYMBOLS = ["MBP", "GFAP", "SNAP25"]
COLUMNS = ["barcode", "in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres"]
POSITIONS = pd.DataFrame(
    [("TTT-1", 1, 3, 1, 300, 30), ("GGG-1", 0, 2, 0, 200, 20), ("CCC-1", 1, 1, 1, 100, 10), ("AAA-1", 1, 0, 0, 0, 5)],
    columns=COLUMNS,
)


def _write_positions(folder, form):
    (folder / "spatial").mkdir(parents=True, exist_ok=True)
    if form == "list":
        POSITIONS.to_csv(folder / "spatial" / "tissue_positions_list.csv", header=False, index=False)
    elif form == "list with header":
        POSITIONS.to_csv(folder / "spatial" / "tissue_positions_list.csv", index=False)
    elif form == "csv":
        POSITIONS.to_csv(folder / "spatial" / "tissue_positions.csv", index=False)
    else:
        POSITIONS.to_parquet(folder / "spatial" / "tissue_positions.parquet", index=False)


def _write_mtx(folder):
    matrix = folder / "filtered_feature_bc_matrix"
    matrix.mkdir(parents=True)
    with gzip.open(matrix / "matrix.mtx.gz", "wb") as opened:
        io.mmwrite(opened, sparse.coo_matrix(COUNTS))
    lines = [f"ENSG{i:011d}\t{symbol}\tGene Expression\n" for i, symbol in enumerate(SYMBOLS)]
    (matrix / "features.tsv.gz").write_bytes(gzip.compress("".join(lines).encode()))
    (matrix / "barcodes.tsv.gz").write_bytes(gzip.compress("".join(f"{name}\n" for name in BARCODES).encode()))


@pytest.mark.parametrize("form", ["list", "list with header", "csv", "parquet"])
@pytest.mark.parametrize("counts", ["h5", "prefixed h5", "mtx"])
@pytest.mark.parametrize("depth", ["", "outs"], ids=["flat", "outs"])
def test_every_form_gives_the_same_slide(tmp_path, write_10x_h5, form, counts, depth):
    folder = tmp_path / "sample" / depth
    _write_positions(folder, form)
    if counts == "mtx":
        _write_mtx(folder)
    else:
        name = "filtered_feature_bc_matrix.h5" if counts == "h5" else "V1_filtered_feature_bc_matrix.h5"
        write_10x_h5(folder / name, COUNTS, BARCODES, SYMBOLS)
    slide = load_slide(tmp_path / "sample")
    assert list(slide.obs_names) == ["AAA-1", "CCC-1", "TTT-1"]
    assert list(slide.var_names) == SYMBOLS
    np.testing.assert_array_equal(slide.X.toarray(), COUNTS.T[[0, 1, 3]])
    np.testing.assert_array_equal(slide.obsm["spatial"], [[5, 0], [10, 100], [30, 300]])
    assert slide.obs["array_row"].tolist() == [0, 1, 3]
    assert slide.uns["genesem"]["name"] == "sample"


def test_repeated_symbols_are_told(tmp_path, write_10x_h5):
    _write_positions(tmp_path, "csv")
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, ["MBP", "GFAP", "MBP"])
    with pytest.warns(UserWarning, match="1 gene names occur more than once .* MBP"):
        slide = load_slide(tmp_path)
    assert list(slide.var_names) == ["MBP", "GFAP", "MBP-1"]


def test_barcodes_without_a_position(tmp_path, write_10x_h5):
    _write_positions(tmp_path, "csv")
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, ["AAA-1", "x", "y", "TTT-1"], SYMBOLS)
    with pytest.raises(InputError, match=r"2 of 4 barcodes .* have no place in tissue_positions.csv \(first: x\)"):
        load_slide(tmp_path)


def test_no_positions(tmp_path, write_10x_h5):
    (tmp_path / "spatial").mkdir()
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, SYMBOLS)
    with pytest.raises(InputError, match=r"holds none of tissue_positions\.parquet"):
        load_slide(tmp_path)


@pytest.mark.parametrize("name", ["tissue_positions.parquet", "tissue_positions.csv"])
def test_positions_that_are_none(tmp_path, write_10x_h5, name):
    (tmp_path / "spatial").mkdir()
    (tmp_path / "spatial" / name).write_text("barcode,somewhere\nAAA-1,3\n")
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, SYMBOLS)
    with pytest.raises(InputError, match="is not a table of tissue positions"):
        load_slide(tmp_path)


def test_broken_and_ambiguous_counts(tmp_path, write_10x_h5):
    _write_positions(tmp_path, "csv")
    (tmp_path / "filtered_feature_bc_matrix.h5").write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read as 10x counts"):
        load_slide(tmp_path)
    (tmp_path / "b_filtered_feature_bc_matrix.h5").write_bytes(b"broken")
    with pytest.raises(InputError, match=r"holds 2 filtered_feature_bc_matrix\.h5 files"):
        load_slide(tmp_path)


@pytest.mark.parametrize("form", ["quoted", "semicolons", "byte order mark"])
def test_tables_that_other_software_wrote_are_read(tmp_path, write_10x_h5, form):
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, SYMBOLS)
    (tmp_path / "spatial").mkdir()
    path = tmp_path / "spatial" / "tissue_positions.csv"
    options = {"quoted": {"quoting": csv.QUOTE_NONNUMERIC}, "semicolons": {"sep": ";"}}.get(form, {})
    POSITIONS.to_csv(path, index=False, encoding="utf-8-sig" if form == "byte order mark" else "utf-8", **options)
    slide = load_slide(tmp_path)
    assert list(slide.obs_names) == ["AAA-1", "CCC-1", "TTT-1"]
    np.testing.assert_array_equal(slide.obsm["spatial"], [[5, 0], [10, 100], [30, 300]])


def test_a_barcode_twice_and_no_tissue_are_refused(tmp_path, write_10x_h5):
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, SYMBOLS)
    (tmp_path / "spatial").mkdir()
    path = tmp_path / "spatial" / "tissue_positions.csv"
    pd.concat([POSITIONS, POSITIONS[:1]]).to_csv(path, index=False)
    with pytest.raises(InputError, match="names TTT-1 more than once"):
        load_slide(tmp_path)
    POSITIONS.assign(in_tissue=0).to_csv(path, index=False)
    with pytest.raises(InputError, match="no spot is in tissue"):
        load_slide(tmp_path)


def test_bins_of_visium_hd_have_the_name_of_their_sample(tmp_path, write_10x_h5):
    bins = tmp_path / "sampleA" / "outs" / "binned_outputs" / "square_016um"
    _write_positions(bins, "parquet")
    write_10x_h5(bins / "filtered_feature_bc_matrix.h5", COUNTS, BARCODES, SYMBOLS)
    assert load_slide(bins).uns["genesem"]["name"] == "sampleA-square_016um"
    for above in (bins.parent, bins.parent.parent, tmp_path / "sampleA"):
        with pytest.raises(InputError, match=r"holds Visium HD bins: give one of them, such as .*square_016um"):
            load_slide(above)
