"""Stacks, masks, types and a clinical table, written small in exactly the form of the record."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from scipy.io import savemat

from genesem_embed.datasets import labels, load_slide
from genesem_embed.datasets.karimi import read_karimi
from genesem_embed.datasets.measure import measure_cells
from genesem_embed.errors import DownloadError, InputError

SHAPE = (8, 6)
GUESSED = pytest.mark.filterwarnings("ignore:no clinical table")


def _mask(n_cells):
    mask = np.zeros(SHAPE, dtype=np.uint16)
    for number in range(1, n_cells + 1):
        mask[2 * number - 2 : 2 * number, 1:4] = number
    return mask


def _write_image(folder, name, types, seed=0):
    """Write the three files of one image; return its stack."""
    stack = np.random.default_rng(seed).integers(0, 255, (21, *SHAPE)).astype(np.uint8)
    for part in ("BRAIN_IMC_MaskTif", f"BRAIN_IMC_Segmentation/{name}", "BRAIN_IMC_CellType"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    frames = [Image.fromarray(channel) for channel in stack]
    frames[0].save(folder / "BRAIN_IMC_MaskTif" / f"{name}.tif", save_all=True, append_images=frames[1:])
    mask = _mask(len(types))
    segmentation = {"nucleiOccupancyIndexed": mask, "nucleiImage": mask > 0}
    savemat(folder / "BRAIN_IMC_Segmentation" / name / "nuclei_multiscale.mat", segmentation)
    rows = np.empty((len(types), 1), dtype=object)
    rows[:, 0] = [kind or np.array([]) for kind in types]
    savemat(folder / "BRAIN_IMC_CellType" / f"{name}.mat", {"cellTypes": rows, "allLabels": ["Cancer", "Tc"]})
    return stack


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "karimi-brain"
    _write_image(place, "Glioma_001A", ["Cancer", "Tc", ""], seed=1)
    _write_image(place, "Glioma_001B", ["Cancer"], seed=2)
    _write_image(place, "BrM_007", ["Tc", "Cancer"], seed=3)
    return place


def test_means_and_centres_are_those_of_the_masks():
    mask = np.array([[0, 2, 2], [5, 2, 0]])
    stack = np.arange(12).reshape(2, 2, 3)
    cells = measure_cells(mask, stack)
    assert cells.numbers.tolist() == [2, 5]
    assert cells.areas.tolist() == [3, 1]
    np.testing.assert_allclose(cells.centres, [[4 / 3, 1 / 3], [0, 1]])
    np.testing.assert_allclose(cells.means, [[7 / 3, 25 / 3], [3, 9]])


def test_a_mask_without_background_and_one_without_cells():
    stack = np.ones((1, 2, 2))
    assert measure_cells(np.ones((2, 2), dtype=int), stack).areas.tolist() == [4]
    assert measure_cells(np.zeros((2, 2), dtype=int), stack).means.shape == (0, 1)


@GUESSED
def test_images_are_measured_and_types_joined_by_row(folder):
    slide = load_slide("karimi-brain", kind="markers", data_dir=folder.parent)
    ids = ["BrM_007_1", "BrM_007_2", "Glioma_001A_1", "Glioma_001A_2", "Glioma_001A_3", "Glioma_001B_1"]
    assert list(slide.obs_names) == ids
    assert labels(slide, "cell_type").tolist() == ["Tc", "Cancer", "Cancer", "Tc", np.nan, "Cancer"]
    assert slide.obs["status"].tolist() == ["metastasis"] * 2 + ["glioma"] * 4
    assert slide.obs["area"].tolist() == [6] * 6
    np.testing.assert_allclose(slide.obsm["spatial"][:2], [[2.0, 0.5], [2.0, 2.5]])
    stack = np.random.default_rng(1).integers(0, 255, (21, *SHAPE)).astype(np.uint8)
    np.testing.assert_allclose(slide["Glioma_001A_2", "CD117"].X, stack[0, 2:4, 1:4].mean(), rtol=1e-6)


@GUESSED
def test_only_markers_of_both_panels_are_kept(folder):
    both = read_karimi(folder)
    assert both.n_vars == 18
    assert not {"Olig2", "PanCK", "PMEL"} & set(both.var_names)
    for path in folder.rglob("BrM_007*"):
        if path.is_file():
            path.unlink()
    glioma = read_karimi(folder)
    assert glioma.n_vars == 21
    assert "Olig2" in glioma.var_names
    np.testing.assert_array_equal(glioma[:, both.var_names].X, both[2:].X)


def test_patients_are_guessed_aloud_without_a_clinical_table(folder):
    with pytest.warns(UserWarning, match="patients are guessed from the names"):
        slide = read_karimi(folder)
    assert slide.obs["patient"].tolist() == ["BrM_007"] * 2 + ["Glioma_001"] * 4


def _clinical(**more):
    columns = {"UniqueImageID": ["Glioma_001A", "Glioma_001B", "BrM_007", "BrM_008"], "Patient ID": [11, 11, 7, 8]}
    return pd.DataFrame(columns | more)


@pytest.mark.parametrize("form", ["xlsx", "csv"])
def test_a_clinical_table_tells_patients_and_status(folder, form):
    table = _clinical(Status=["LTS", "LTS", "STS", "STS"])
    if form == "csv":
        table.to_csv(folder / "clinical.csv", index=False)
    else:
        with pd.ExcelWriter(folder / "Clinical Data GBM BrM.xlsx") as opened:
            pd.DataFrame({"legend": ["text"]}).to_excel(opened, sheet_name="Legend", index=False)
            table.to_excel(opened, sheet_name="Data", index=False)
    slide = read_karimi(folder)
    assert slide.obs["patient"].tolist() == ["7"] * 2 + ["11"] * 4
    assert slide.obs["status"].tolist() == ["STS"] * 2 + ["LTS"] * 4


def test_a_clinical_table_that_forgets_an_image(folder):
    _clinical().iloc[1:].to_csv(folder / "clinical.csv", index=False)
    with pytest.raises(InputError, match=r"names no Patient ID for 1 of 3 images \(first: Glioma_001A\)"):
        read_karimi(folder)


def test_a_clinical_table_that_is_none(folder):
    (folder / "clinical.xlsx").write_text("not a workbook")
    with pytest.raises(InputError, match="cannot be read as a clinical table"):
        read_karimi(folder)


@GUESSED
def test_a_label_image_serves_as_mask(folder):
    before = read_karimi(folder)
    (folder / "BRAIN_IMC_Segmentation" / "BrM_007" / "nuclei_multiscale.mat").unlink()
    Image.fromarray(_mask(2)).save(folder / "BRAIN_IMC_Segmentation" / "BrM_007.tif")
    np.testing.assert_array_equal(read_karimi(folder).X, before.X)


def test_what_is_missing_or_broken_is_told(folder):
    mat = folder / "BRAIN_IMC_CellType" / "BrM_007.mat"
    kept = mat.read_bytes()
    mat.unlink()
    with pytest.raises(InputError, match=r"there is no .*BrM_007\.mat: cell types"):
        read_karimi(folder)
    mat.write_bytes(b"broken")
    with pytest.raises(InputError, match=r"BrM_007\.mat cannot be read as cell types"):
        read_karimi(folder)
    mat.write_bytes(kept)
    (folder / "BRAIN_IMC_Segmentation" / "BrM_007" / "nuclei_multiscale.mat").unlink()
    with pytest.raises(InputError, match=r"there is no .*nuclei_multiscale\.mat: a mask"):
        read_karimi(folder)


def test_sizes_that_do_not_fit_are_told(folder):
    path = folder / "BRAIN_IMC_Segmentation" / "BrM_007" / "nuclei_multiscale.mat"
    savemat(path, {"nucleiOccupancyIndexed": np.ones((3, 3), dtype=np.uint8)})
    with pytest.raises(InputError, match=r"the stack is \(21, 8, 6\), the mask \(3, 3\); expected 21 channels"):
        read_karimi(folder)
    savemat(path, {"nucleiOccupancyIndexed": np.full(SHAPE, 3, dtype=np.uint8)})
    with pytest.raises(InputError, match="the mask numbers 3 cells, cellTypes has 2 rows"):
        read_karimi(folder)


def test_an_image_of_no_known_panel(folder):
    stack = folder / "BRAIN_IMC_MaskTif" / "BrM_007.tif"
    stack.rename(stack.with_name("Lung_007.tif"))
    with pytest.raises(InputError, match="starts with Glioma or BrM"):
        read_karimi(folder)
    stack.with_name("Lung_007.tif").rename(stack)
    stack.write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read as a stack of channels"):
        read_karimi(folder)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(
        DownloadError, match=r"no direct link to BRAIN_IMC_MaskTif is known; get it from https://zenodo"
    ):
        load_slide("karimi-brain", kind="markers", data_dir=tmp_path)
    with pytest.raises(DownloadError, match=r"one of 3 files: see `genesem-embed datasets show karimi-brain`"):
        load_slide("karimi-brain", kind="markers", data_dir=tmp_path)
    (tmp_path / "BRAIN_IMC_MaskTif").mkdir()
    with pytest.raises(InputError, match=r"holds no \.tif"):
        read_karimi(tmp_path)
