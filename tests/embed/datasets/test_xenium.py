"""Xenium output folders."""

import numpy as np
import pandas as pd
import pytest

from genesem_embed.datasets import load_slide
from genesem_embed.errors import InputError

CELLS = ["aaaa-1", "aaab-1", "aaac-1"]
COUNTS = np.array([[1, 0, 2], [0, 5, 0], [4, 4, 4], [0, 1, 0]], dtype=np.int32)
"""Feature by cell."""
FEATURES = ["MBP", "GFAP", "SNAP25", "NegControlProbe_00042"]


def write(folder, write_10x_h5, form="parquet", names=CELLS):
    folder.mkdir(parents=True, exist_ok=True)
    write_10x_h5(folder / "cell_feature_matrix.h5", COUNTS, CELLS, FEATURES)
    table = pd.DataFrame({"cell_id": names, "x_centroid": [1.5, 2.5, 3.5], "y_centroid": [10.0, 20.0, 30.0]})[::-1]
    if form == "parquet":
        table.assign(cell_id=[name.encode() for name in table["cell_id"]]).to_parquet(folder / "cells.parquet")
    else:
        table.to_csv(folder / form, index=False)


@pytest.mark.parametrize("form", ["parquet", "cells.csv.gz", "cells.csv"])
@pytest.mark.parametrize("depth", ["", "outs"], ids=["flat", "outs"])
def test_cells_come_with_their_centres_and_genes_alone(tmp_path, write_10x_h5, form, depth):
    write(tmp_path / "brain" / depth, write_10x_h5, form)
    with pytest.warns(UserWarning, match="1 of 4 features are no genes"):
        slide = load_slide(tmp_path / "brain")
    assert list(slide.obs_names) == CELLS
    assert list(slide.var_names) == FEATURES[:3]
    np.testing.assert_array_equal(slide.X.toarray(), COUNTS[:3].T)
    np.testing.assert_array_equal(slide.obsm["spatial"], [[1.5, 10], [2.5, 20], [3.5, 30]])
    assert slide.uns["genesem"]["name"] == "brain"


def test_what_is_missing_or_of_another_run_is_refused(tmp_path, write_10x_h5):
    write(tmp_path / "a", write_10x_h5, names=["x", "y", "z"])
    with pytest.raises(InputError, match="3 of 3 barcodes of the counts have no place .*first: aaaa-1"):
        load_slide(tmp_path / "a")
    write(tmp_path / "b", write_10x_h5, names=["aaaa-1", "aaaa-1", "aaac-1"])
    with pytest.raises(InputError, match="names aaaa-1 more than once"):
        load_slide(tmp_path / "b")
    (tmp_path / "b" / "cells.parquet").write_bytes(b"no table")
    with pytest.raises(InputError, match="is not a table of cells"):
        load_slide(tmp_path / "b")
    (tmp_path / "b" / "cells.parquet").unlink()
    with pytest.raises(InputError, match=r"none of cells.parquet, cells.csv.gz, cells.csv"):
        load_slide(tmp_path / "b")
