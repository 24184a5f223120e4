"""SpatialData stores written group by group, the way the spatialdata package lays them out."""

import json
import shutil

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import shapely

from genesem_embed.datasets import load_slide
from genesem_embed.errors import InputError

# What anndata says about its own defaults when these tests write a table.
pytestmark = pytest.mark.filterwarnings(
    "ignore:zarr v3 autosharding", "ignore:Consolidated metadata", "ignore:Writing zarr v2"
)


def _root(folder):
    for place in (folder, folder / "tables", folder / "shapes"):
        place.mkdir(parents=True, exist_ok=True)
        attributes = {"spatialdata_attrs": {"version": "0.2"}} if place == folder else {}
        group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
        (place / "zarr.json").write_text(json.dumps(group))


def _write_table(folder, slide, name="table", region="circles", instances=None):
    _root(folder)
    if instances is not None:
        slide.obs["region"] = pd.Categorical([region] * slide.n_obs)
        slide.obs["instance_id"] = instances
        slide.uns["spatialdata_attrs"] = {"region": region, "region_key": "region", "instance_key": "instance_id"}
    with ad.settings.override(zarr_write_format=3):
        slide.write_zarr(folder / "tables" / name)


def _write_shapes(folder, shapes, index, region="circles"):
    place = folder / "shapes" / region
    place.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame({"geometry": shapely.to_wkb(shapes), "radius": 1.0}, index=pd.Index(index, name="id"))
    table.to_parquet(place / "shapes.parquet")


@pytest.fixture
def bare(make_slide):
    """Return a slide of three spots without coordinates."""
    slide = make_slide(3)
    del slide.obsm["spatial"]
    return slide


def test_coordinates_in_the_table(make_slide, tmp_path):
    slide = make_slide()
    _write_table(tmp_path / "s.zarr", slide)
    loaded = load_slide(tmp_path / "s.zarr")
    np.testing.assert_array_equal(loaded.obsm["spatial"], slide.obsm["spatial"])
    np.testing.assert_array_equal(loaded.X.toarray(), slide.X.toarray())
    assert loaded.uns["genesem"]["name"] == "s"


def test_points_are_joined_by_instance(bare, tmp_path):
    _write_table(tmp_path / "s.zarr", bare, instances=[30, 10, 20])
    _write_shapes(tmp_path / "s.zarr", shapely.points([[1, 1], [2, 4], [3, 9], [4, 16]]), [10, 20, 30, 40])
    np.testing.assert_array_equal(load_slide(tmp_path / "s.zarr").obsm["spatial"], [[3, 9], [1, 1], [2, 4]])


def test_polygons_give_their_centres_and_names_may_be_text(bare, tmp_path):
    _write_table(tmp_path / "s.zarr", bare, instances=["c", "a", "b"])
    boxes = shapely.box([0, 10, 20], [0, 0, 0], [2, 12, 22], [4, 4, 4])
    _write_shapes(tmp_path / "s.zarr", boxes, ["a", "b", "c"])
    np.testing.assert_allclose(load_slide(tmp_path / "s.zarr").obsm["spatial"], [[21, 2], [1, 2], [11, 2]])


def test_several_tables_are_named(make_slide, tmp_path):
    _write_table(tmp_path / "s.zarr", make_slide(), name="nuclei")
    _write_table(tmp_path / "s.zarr", make_slide(), name="cells")
    with pytest.raises(InputError, match=r"holds 2 tables \(cells, nuclei\), one is expected"):
        load_slide(tmp_path / "s.zarr")


def test_no_table(tmp_path):
    _root(tmp_path / "s.zarr")
    with pytest.raises(InputError, match="holds no table"):
        load_slide(tmp_path / "s.zarr")


def test_a_damaged_table(make_slide, tmp_path):
    _write_table(tmp_path / "s.zarr", make_slide())
    shutil.rmtree(tmp_path / "s.zarr" / "tables" / "table" / "obs")
    (tmp_path / "s.zarr" / "tables" / "table" / "zarr.json").write_text("{broken")
    (tmp_path / "s.zarr" / "tables" / "table" / ".zattrs").write_text("{broken")
    (tmp_path / "s.zarr" / "tables" / "table" / ".zgroup").write_text("{broken")
    with pytest.raises(InputError, match="cannot be read"):
        load_slide(tmp_path / "s.zarr")


def test_shapes_that_are_not_there(bare, tmp_path):
    _write_table(tmp_path / "s.zarr", bare, region="labels", instances=[1, 2, 3])
    with pytest.raises(InputError, match="region 'labels' has no shapes"):
        load_slide(tmp_path / "s.zarr")


def test_rows_without_a_shape(bare, tmp_path):
    _write_table(tmp_path / "s.zarr", bare, instances=[1, 2, 9])
    _write_shapes(tmp_path / "s.zarr", shapely.points([[1, 1], [2, 2]]), [1, 2])
    with pytest.raises(InputError, match="1 of 3 rows of the table name no shape"):
        load_slide(tmp_path / "s.zarr")


def test_a_table_that_annotates_nothing(bare, tmp_path):
    _write_table(tmp_path / "s.zarr", bare)
    with pytest.raises(InputError, match="annotates 0 regions"):
        load_slide(tmp_path / "s.zarr")


def test_the_older_zarr_format(make_slide, tmp_path):
    slide = make_slide()
    for place in (tmp_path / "s.zarr", tmp_path / "s.zarr" / "tables"):
        place.mkdir()
        (place / ".zgroup").write_text(json.dumps({"zarr_format": 2}))
    with ad.settings.override(zarr_write_format=2):
        slide.write_zarr(tmp_path / "s.zarr" / "tables" / "table")
    loaded = load_slide(tmp_path / "s.zarr")
    np.testing.assert_array_equal(loaded.X.toarray(), slide.X.toarray())
    np.testing.assert_array_equal(loaded.obsm["spatial"], slide.obsm["spatial"])
