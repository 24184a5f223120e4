"""Several slides in one fit: joined over their genes, no edge between them, a shared latent, scores of each."""

import json

import anndata as ad
import numpy as np
import pytest
import tomli_w
from sklearn.metrics import adjusted_rand_score
from typer.testing import CliRunner

from genesem_embed.datasets import load_slide
from genesem_embed.errors import InputError
from genesem_train.cli import app
from genesem_train.config import load_config, load_preset
from genesem_train.errors import ConfigError
from genesem_train.networks import make_slide_inputs
from genesem_train.prediction.run import run_predict
from genesem_train.run import run_fit
from genesem_train.slides import OWN_COORDS, join_slides, load_slides, rows_of, side_by_side
from genesem_train.spots import select_spots, tell_poor

pytestmark = pytest.mark.usefixtures("plain_latent_figure")


@pytest.fixture(scope="module")
def two_files(demo_slide, tmp_path_factory):
    """Return two halves of the demo slide; the second lacks some genes and has them in another order."""
    folder = tmp_path_factory.mktemp("two")
    left, right = demo_slide[::8].copy(), demo_slide[1::8].copy()
    right = right[:, right.var_names[::-1][20:]].copy()
    left.write_h5ad(folder / "left.h5ad")
    right.write_h5ad(folder / "right.h5ad")
    return folder / "left.h5ad", folder / "right.h5ad"


@pytest.fixture(scope="module")
def store(two_files, publish_spots, tmp_path_factory):
    place = tmp_path_factory.mktemp("two") / "store"
    for path in two_files:
        publish_spots(place, load_slide(path))
    return str(place)


def settings(files):
    config = load_preset("demo", str(files[0])).with_values(more_datasets=tuple(map(str, files[1:])))
    return config.with_values("training", epochs=3, seeds=(0, 1)).with_values("model", hidden_dim=16, latent_dim=8)


def test_the_joined_slide_has_the_common_genes_and_every_spot(two_files):
    slides = load_slides([str(path) for path in two_files])
    left, right = (ad.read_h5ad(path) for path in two_files)
    joined = slides.joined
    assert list(slides.parts) == ["left", "right"]
    assert set(joined.var_names) == set(left.var_names) & set(right.var_names)
    assert list(joined.obs_names[[0, -1]]) == [f"left/{left.obs_names[0]}", f"right/{right.obs_names[-1]}"]
    gene = joined.var_names[3]
    np.testing.assert_array_equal(joined[-1, gene].X.toarray(), right[-1, gene].X.toarray())
    np.testing.assert_array_equal(joined.obsm[OWN_COORDS][-1], right.obsm["spatial"][-1])
    assert [len(rows) for rows in rows_of(joined).values()] == [left.n_obs, right.n_obs]


def test_one_slide_stays_as_it_is(two_files):
    alone = load_slides([str(two_files[0])])
    assert alone.parts == {}
    assert rows_of(alone.joined) == {}
    np.testing.assert_array_equal(alone.joined.X.toarray(), ad.read_h5ad(two_files[0]).X.toarray())


def test_the_same_file_twice_is_told_apart(two_files):
    assert list(load_slides([str(two_files[0])] * 2).parts) == ["left", "left-2"]


def test_slides_without_a_common_gene_are_refused(two_files, tmp_path):
    other = ad.read_h5ad(two_files[1])
    other.var_names = [f"x{name}" for name in other.var_names]
    other.write_h5ad(tmp_path / "other.h5ad")
    with pytest.raises(ConfigError, match="no gene in common"):
        load_slides([str(two_files[0]), str(tmp_path / "other.h5ad")])


def test_no_edge_joins_two_slides(two_files):
    config = settings(two_files)
    spots = select_spots(load_slides(config.datasets).joined, config)
    inputs, _ = make_slide_inputs(config, spots.data.X, spots.coords, None, spots.slide_of)
    assert set(np.unique(spots.slide_of)) == {0, 1}
    for edges in (
        inputs.edges,
        inputs.spatial.matrix.to_sparse_coo().indices(),
        inputs.feature.matrix.to_sparse_coo().indices(),
    ):
        ends = spots.slide_of[edges.numpy()]
        np.testing.assert_array_equal(ends[0], ends[1])
    # and each slide's edges are those that it would have alone
    alone, _ = make_slide_inputs(
        config, spots.data.X[: len(spots.slides["left"])], spots.coords[spots.slides["left"]], None
    )
    n_left = len(spots.slides["left"])
    mine = {tuple(pair) for pair in inputs.edges.T.tolist() if pair[0] < n_left}
    assert mine == {tuple(pair) for pair in alone.edges.T.tolist()}


def test_rows_of_slides_do_not_touch():
    coords = [np.array([[0.0, 0], [3, 4]]), np.array([[10.0, 10], [11, 30]])]
    placed = side_by_side(coords, gap=2.0)
    assert placed[:2, 0].max() + 2 * np.hypot(1, 20) == pytest.approx(placed[2:, 0].min())
    np.testing.assert_array_equal(placed[3] - placed[2], coords[1][1] - coords[1][0])


def test_a_fit_of_two_slides_scores_each(two_files, store, tmp_path):
    result = run_fit(settings(two_files), store_place=store, out=tmp_path / "out")
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text("utf-8"))
    assert metrics["dataset"] == "left+right"
    assert metrics["collection"].count("@") == 2
    found = ad.read_h5ad(tmp_path / "out" / "result.h5ad")
    assert list(found.obs["slide"].cat.categories) == ["left", "right"]
    for name, path in zip(("left", "right"), two_files, strict=True):
        mine = found[found.obs["slide"] == name]
        np.testing.assert_array_equal(mine.obsm["spatial"], ad.read_h5ad(path).obsm["spatial"])
        ari = 100 * adjusted_rand_score(mine.obs["region"], mine.obs["domain"])
        assert metrics["slides"][name]["consensus"]["ari"] == pytest.approx(ari)
        assert metrics["slides"][name]["n_spots"] == mine.n_obs
    assert metrics["slides"]["left"]["mean"].keys() == metrics["mean"].keys()
    assert (result.out / "figures" / "slides.png").exists()
    assert "consensus on right" in (result.out / "report.html").read_text("utf-8")
    assert "more_datasets" in (result.out / "config.toml").read_text("utf-8")


def test_a_column_of_the_name_that_tells_slides_apart_is_refused(two_files):
    parts = {path.stem: ad.read_h5ad(path) for path in two_files}
    parts["right"].obs["slide"] = "mine"
    with pytest.raises(ConfigError, match=r"right has a column obs\['slide'\].*rename it"):
        join_slides(parts)


def test_another_data_set_takes_the_place_of_all_that_a_file_names(two_files, tmp_path):
    (tmp_path / "two.toml").write_text(tomli_w.dumps(settings(two_files).to_mapping()))
    assert len(load_config(tmp_path / "two.toml", None).datasets) == 2
    assert load_config(tmp_path / "two.toml", "demo").datasets == ("demo",)


def test_the_improved_mode_and_slides_without_labels(two_files, store, tmp_path):
    for path in two_files:
        bare = ad.read_h5ad(path)
        del bare.obs["region"]
        bare.write_h5ad(tmp_path / path.name)
    config = load_preset("improved", str(tmp_path / "left.h5ad")).with_values(
        more_datasets=(str(tmp_path / "right.h5ad"),)
    )
    config = config.with_values("training", epochs=2, seeds=(0,)).with_values("data", n_domains=4)
    result = run_fit(config.with_values("semantics", top_genes=10), store_place=store, out=tmp_path / "out")
    assert set(result.metrics["slides"]["right"]["consensus"]) == {"silhouette", "chaos", "pas"}


def test_the_command_line_takes_several(two_files, store, tmp_path):
    arguments = [part for path in two_files for part in ("--dataset", str(path))]
    options = ["--preset", "demo", "--store", store, "--seeds", "0", "--epochs", "1", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, ["fit", *arguments, *options])
    assert done.exit_code == 0, done.output
    assert "consensus on left" in done.stdout
    assert "consensus on right" in done.stdout


def test_slides_that_share_few_genes_are_told(two_files):
    parts = load_slides([str(path) for path in two_files]).parts
    one, other = parts
    few = {one: parts[one], other: parts[other][:, :40].copy()}
    few[other].var_names = [*few[other].var_names[:10], *(f"Other{gene}" for gene in range(30))]
    with pytest.warns(UserWarning, match=r"have \d+ genes in common .* are they of one organism"):
        assert join_slides(few).n_vars <= 10


def test_a_slide_that_is_one_domain_and_domains_that_are_missing_are_told(two_files):
    config = settings(two_files)
    spots = select_spots(load_slides(config.datasets).joined, config)
    first = next(iter(spots.slides.values()))
    domains = np.zeros(len(spots.coords), dtype=int)
    domains[first[: len(first) // 2]] = 1
    name = list(spots.slides)[1]
    with (
        pytest.warns(UserWarning, match=rf"all spots of {name} came into one domain.* median counts of a spot: "),
        pytest.warns(UserWarning, match=r"2 of the \d+ domains asked for were found"),
    ):
        tell_poor(domains, spots)


def test_ids_will_do_where_no_vector_is_read(two_files, tmp_path):
    slide = ad.read_h5ad(two_files[0])
    slide.var_names = [f"ENSG{gene:011d}" for gene in range(slide.n_vars)]
    slide.write_h5ad(tmp_path / "ids.h5ad")
    config = load_preset("demo", str(tmp_path / "ids.h5ad")).with_values(method="pca")
    config = config.with_values("data", label_key="region").with_values("training", seeds=(0,))
    assert run_fit(config, out=tmp_path / "out").metrics["n_spots"] == slide.n_obs
    with pytest.raises(InputError, match="need gene symbols"):
        load_slides(config.datasets)
    plain = config.with_values(method="semst").with_values("semantics", kind="none").with_values("training", epochs=1)
    fitted = run_fit(plain, out=tmp_path / "fitted").out
    assert run_predict(fitted, str(tmp_path / "ids.h5ad"), out=tmp_path / "predicted").metrics["n_spots"] == slide.n_obs
