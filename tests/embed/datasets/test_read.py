"""One slide through every door: h5ad, path forms, registered data sets, and what is not a slide."""

import anndata as ad
import numpy as np
import pytest
from scipy import sparse

from genesem_embed.datasets import find_dataset, fingerprint, labels, load_slide
from genesem_embed.datasets.registry import LabelTable
from genesem_embed.errors import DownloadError, InputError, UnknownNameError


def test_an_h5ad_is_read(make_slide, tmp_path):
    slide = make_slide()
    path = tmp_path / "März 1 (copy).h5ad"
    slide.write_h5ad(path)
    loaded = load_slide(str(path))
    assert sparse.isspmatrix_csr(loaded.X)
    assert loaded.X.dtype == np.float32
    assert loaded.obsm["spatial"].dtype == np.float64
    assert loaded.uns["genesem"] == {"name": "Marz-1-copy", "source": str(path)}
    assert list(loaded.obs_names) == list(slide.obs_names)
    assert fingerprint(loaded) == fingerprint(slide)


@pytest.mark.parametrize("form", [np.asarray, sparse.csc_matrix, sparse.coo_matrix], ids=["dense", "csc", "int64"])
def test_the_form_of_the_matrix_does_not_matter(make_slide, tmp_path, form):
    slide = make_slide()
    expected = slide.X.toarray()
    slide.X = sparse.csr_matrix(expected.astype(np.int64)) if form is sparse.coo_matrix else form(expected)
    slide.write_h5ad(tmp_path / "slide.h5ad")
    loaded = load_slide(tmp_path / "slide.h5ad")
    assert sparse.isspmatrix_csr(loaded.X)
    assert loaded.X.dtype == np.float32
    np.testing.assert_array_equal(loaded.X.toarray(), expected)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.9], ids=["empty file", "most gone", "end gone"])
def test_a_truncated_file(make_slide, tmp_path, share):
    path = tmp_path / "slide.h5ad"
    make_slide(200, 100).write_h5ad(path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(InputError, match="get it again") as caught:
        load_slide(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_text_with_the_suffix_of_a_slide(tmp_path):
    (tmp_path / "slide.h5ad").write_text("not a slide")
    with pytest.raises(InputError, match="no HDF5 file"):
        load_slide(tmp_path / "slide.h5ad")


def test_an_hdf5_file_that_is_no_anndata(tmp_path):
    import h5py

    with h5py.File(tmp_path / "slide.h5ad", "w") as opened:
        opened["X"] = np.ones(3)
        opened["obs"] = 1
    with pytest.raises(InputError, match=r"cannot be read as \.h5ad"):
        load_slide(tmp_path / "slide.h5ad")


def test_10x_counts_without_their_folder(write_10x_h5, tmp_path):
    write_10x_h5(tmp_path / "filtered_feature_bc_matrix.h5", np.ones((2, 2), dtype=np.int32), ["a", "b"], ["X", "Y"])
    with pytest.raises(InputError, match="give the folder that has spatial/"):
        load_slide(tmp_path / "filtered_feature_bc_matrix.h5")


@pytest.mark.parametrize("name", ["nowhere.h5ad", "./demo", "some/where", "x.zarr"])
def test_a_path_that_is_not_there(name):
    with pytest.raises(InputError, match="there is no file or folder"):
        load_slide(name)


def test_a_name_that_is_not_there():
    with pytest.raises(UnknownNameError, match="did you mean demo"):
        load_slide("dmo")


def test_a_folder_that_is_no_slide(tmp_path):
    with pytest.raises(InputError, match="neither a Visium folder"):
        load_slide(tmp_path)
    (tmp_path / "binned_outputs" / "square_008um").mkdir(parents=True)
    with pytest.raises(InputError, match="square_008um"):
        load_slide(tmp_path)


def test_the_problem_is_told_with_the_name_of_the_slide(make_slide, tmp_path):
    slide = make_slide()
    del slide.obsm["spatial"]
    slide.write_h5ad(tmp_path / "here.h5ad")
    with pytest.raises(InputError, match=r"^here: the slide has no obsm"):
        load_slide(tmp_path / "here.h5ad")


@pytest.fixture
def registered(monkeypatch):
    """Return a function that puts a changed entry into the registry."""
    import dataclasses

    from genesem_embed.datasets import registry

    known = dict(registry._registry())

    def put(name, like, **changes):
        known[name] = dataclasses.replace(find_dataset(like), name=name, **changes)

    monkeypatch.setattr(registry, "_registry", lambda: known)
    return put


def test_a_registered_h5ad_with_a_counts_layer(make_slide, registered, tmp_path):
    slide = make_slide()
    slide.layers["count"] = slide.X.copy()
    slide.X = slide.X.multiply(0.37).tocsr()
    slide.obs["annotation"] = list("aabbcc")
    registered("here", "me")
    place = tmp_path / "here"
    place.mkdir()
    slide.write_h5ad(place / find_dataset("me").files[0].filename)
    loaded = load_slide("here", data_dir=tmp_path)
    np.testing.assert_array_equal(loaded.X.toarray(), slide.layers["count"].toarray())
    assert loaded.uns["genesem"] == {"name": "here", "source": find_dataset("me").source}
    assert list(labels(loaded, "annotation")) == list("aabbcc")


def test_a_registered_slide_that_is_not_there_is_not_half_made(registered, tmp_path):
    registered("here", "me", files=(find_dataset("karimi-brain").files[0],))
    with pytest.raises(DownloadError, match="--dataset demo"):
        load_slide("here", data_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_markers_are_not_counts(registered):
    with pytest.raises(InputError, match="holds markers, counts were asked for"):
        load_slide("damond-t1d")
    with pytest.raises(InputError, match="holds counts, markers were asked for"):
        load_slide("me", kind="markers")


def test_labels_beside_the_slide_are_joined_by_spot(registered, write_10x_h5, tmp_path):
    registered("here", "dlpfc-151507")
    _write_section(tmp_path / "here", write_10x_h5)
    (tmp_path / "here" / "barcode_level_layer_map.tsv").write_text("b\t151507\tL2\na\t151507\tWM\na\t151508\tL1\n")
    loaded = load_slide("here", data_dir=tmp_path)
    assert list(loaded.obs_names) == ["a", "b", "c"]
    assert labels(loaded, "region").tolist() == ["WM", "L2", np.nan]


def test_labels_with_a_header(registered, write_10x_h5, tmp_path):
    table = LabelTable(file="metadata.tsv", id="ID", label="fine_annot_type")
    registered("here", "dlpfc-151507", labels=table, files=find_dataset("dlpfc-151507").files[:2])
    _write_section(tmp_path / "here", write_10x_h5)
    (tmp_path / "here" / "metadata.tsv").write_text("ID\tfine_annot_type\tother\na\tTumor\t1\nb\tFat\t2\n")
    assert labels(load_slide("here", data_dir=tmp_path), "region").tolist() == ["Tumor", "Fat", np.nan]
    (tmp_path / "here" / "metadata.tsv").write_text("ID\tother\na\t1\n")
    with pytest.raises(InputError, match="has no column fine_annot_type"):
        load_slide("here", data_dir=tmp_path)
    (tmp_path / "here" / "metadata.tsv").write_text("")
    with pytest.raises(InputError, match="cannot be read as a tab-separated table"):
        load_slide("here", data_dir=tmp_path)
    (tmp_path / "here" / "metadata.tsv").unlink()
    with pytest.warns(
        UserWarning, match=r"no annotation: put a tab-separated table with ID and fine_annot_type at .*tsv"
    ):
        assert "region" not in load_slide("here", data_dir=tmp_path).obs


def _write_section(folder, write_10x_h5):
    (folder / "spatial").mkdir(parents=True)
    write_10x_h5(folder / "filtered_feature_bc_matrix.h5", np.ones((2, 3), dtype=np.int32), ["a", "b", "c"], ["X", "Y"])
    lines = [f"{barcode},1,{row},0,{row * 10},5" for row, barcode in enumerate("cab")]
    (folder / "spatial" / "tissue_positions_list.csv").write_text("\n".join(lines) + "\n")


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "shape"),
    [("mvc", (1207, 1020)), ("her2st_B1", (295, 15109)), ("mob", (260, 15928)), ("mpfc_1", (1049, 166))],
)
def test_real_slides_are_read(real_data, name, shape):
    loaded = load_slide(real_data(f"{name}.h5ad"))
    assert loaded.shape == shape
    assert labels(loaded, "region").categories.size > 3


@pytest.mark.real
def test_real_markers_are_read_as_markers_only(real_data):
    path = real_data("keren_tnbc_mibi.h5ad")
    with pytest.raises(InputError, match="negative values occur"):
        load_slide(path)
    loaded = load_slide(path, kind="markers")
    assert isinstance(loaded.X, np.ndarray)
    assert loaded.X.dtype == np.float32
    np.testing.assert_array_equal(loaded.X, ad.read_h5ad(path).X)


def test_the_demo_needs_nothing(tmp_path):
    loaded = load_slide("demo", data_dir=tmp_path)
    assert loaded.uns["genesem"]["name"] == "demo"
    assert labels(loaded, "region").categories.size == find_dataset("demo").n_domains
    assert list(tmp_path.iterdir()) == []


def test_a_link_and_a_relative_path_keep_the_name_given(make_slide, tmp_path, monkeypatch):
    (tmp_path / "blobs").mkdir()
    make_slide().write_h5ad(tmp_path / "blobs" / "0a1b.h5ad")
    (tmp_path / "tissue.h5ad").symlink_to(tmp_path / "blobs" / "0a1b.h5ad")
    monkeypatch.chdir(tmp_path / "blobs")
    assert load_slide("../tissue.h5ad").uns["genesem"]["name"] == "tissue"


def test_a_file_that_may_not_be_read(make_slide, tmp_path, monkeypatch):
    def refuse(path, *arguments):
        raise PermissionError(13, "Permission denied", str(path))

    make_slide().write_h5ad(tmp_path / "slide.h5ad")
    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        load_slide(tmp_path / "slide.h5ad")
