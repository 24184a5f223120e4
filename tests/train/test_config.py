"""Settings: complete presets, refusal of what nobody knows, and the round trip through TOML."""

import tomllib
from importlib import resources

import pytest

from genesem_train.config import FitConfig, list_presets, load_config, load_preset, resolve_config
from genesem_train.errors import ConfigError


@pytest.mark.parametrize("name", list_presets())
def test_every_preset_is_complete_and_survives_toml(name, tmp_path):
    config = load_preset(name, "demo")
    path = tmp_path / "config.toml"
    path.write_text(config.to_toml(), "utf-8")
    assert load_config(path, None) == config
    text = (resources.files("genesem_train") / "presets" / f"{name}.toml").read_text("utf-8")
    assert text.startswith("# genesem-train fit --dataset ")
    written = tomllib.loads(text)
    resolved = config.to_mapping()
    for section in ("preprocess", "model", "loss", "semantics", "domains"):
        assert set(written[section]) == set(resolved[section])


def test_released_values_of_the_paper_slides():
    hbc, mvc, dlpfc = (load_preset(name, "x") for name in ("hbc", "mvc", "dlpfc"))
    assert (hbc.training.lr, hbc.preprocess.n_hvg, hbc.training.epochs) == (1e-4, 2000, 600)
    assert (mvc.preprocess.n_hvg, mvc.graph.feature_k, mvc.loss.spatial, mvc.training.epochs) == (128, 5, 1.0, 2000)
    assert (dlpfc.graph.radius, dlpfc.graph.self_weight, dlpfc.data.drop_unlabelled) == (560.0, 2.0, True)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[training]\nepoch = 3", "did you mean epochs"),
        ("[training]\nepochs = '3'", "expected a whole number"),
        ("[training]\nepochs = true", "expected a whole number"),
        ("[training]\nseeds = []", "expected a list"),
        ("[loss]\nform = 'mine'", "one of released, paper"),
        ("[graph]\nradius = 'wide'", "expected a number"),
        ("colour = 1", "unknown setting 'colour'"),
        ("= 3", "cannot be read as a TOML config"),
    ],
)
def test_a_wrong_config_is_refused_with_what_was_expected(tmp_path, text, expected):
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=expected):
        load_config(path, "demo")


def test_a_missing_config_file_is_one_line(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path / "none.toml", "demo")


def test_unknown_preset_names_the_nearest():
    with pytest.raises(ConfigError, match="did you mean demo"):
        load_preset("dem", "demo")


def test_the_registry_names_preset_label_key_and_number_of_domains():
    config = resolve_config("dlpfc-151672")
    assert config.preset == "dlpfc"
    assert config.data.n_domains == 5
    assert resolve_config("slide.h5ad").preset == "default"


@pytest.mark.parametrize(
    ("section", "name", "value", "expected"),
    [
        ("training", "lr", -1.0, "above 0"),
        ("training", "epochs", 0, "from 1"),
        ("training", "seeds", (-1, 0), "whole numbers from 0"),
        ("training", "seeds", (2**32,), "whole numbers from 0"),
        ("training", "seeds", (0, 0), "each seed once"),
        ("model", "latent_dim", 0, "from 1"),
        ("loss", "spatial", -0.1, "from 0"),
        ("preprocess", "n_hvg", 0, "from 1"),
        ("smoothing", "slack", -0.5, "from 0"),
        ("training", "networks", 0, "from 1"),
        ("smoothing", "slack", float("nan"), "from 0"),
    ],
)
def test_values_out_of_range_are_refused(section, name, value, expected):
    with pytest.raises(ConfigError, match=f"{name} is .*expected .*{expected}"):
        load_preset("demo", "demo").with_values(section, **{name: value})


def test_a_kind_of_fit_comes_before_the_data_sets_own_preset():
    assert resolve_config("dlpfc-151672", kind="stagate").preset == "stagate"
    assert resolve_config("dlpfc-151672", kind="stagate", preset="demo").preset == "demo"


def test_a_mixture_of_all_latents_is_refused():
    with pytest.raises(ConfigError, match="take --clusterer kmeans"):
        load_preset("improved", "demo").with_values("domains", clusterer="gmm")


def test_what_mode_and_network_do_not_share_is_refused():
    with pytest.raises(ConfigError, match="backbone stagate does not go with mode improved"):
        load_preset("stagate", "demo").with_values(mode="improved")
    with pytest.raises(ConfigError, match="clusterer gmm does not go with method pca"):
        load_preset("stagate", "demo").with_values(method="pca")
    with pytest.raises(ConfigError, match="networks is 2; expected 1 in mode faithful"):
        load_preset("demo", "demo").with_values("training", networks=2)


def test_a_preset_and_a_file_together_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="take one of them"):
        resolve_config("demo", preset="demo", path=tmp_path / "x.toml")
    with pytest.raises(ConfigError, match="no data set is named"):
        resolve_config(None)


def test_values_of_the_command_line_replace_only_what_is_given():
    config = load_preset("demo", "demo").with_values("training", epochs=3, seeds=None)
    assert config.training.epochs == 3
    assert config.training.seeds == load_preset("demo", "demo").training.seeds
    with pytest.raises(ConfigError, match="the command line: method is 'magic'"):
        config.with_values(method="magic")
    assert isinstance(config, FitConfig)


@pytest.mark.parametrize(
    ("name", "widths", "ratio", "feature_k", "weights", "epochs", "lr", "top_genes"),
    [
        ("dlpfc", (256, 128), 1.2, 14, (0.1, 0.1), 100, 1e-3, 20),
        ("hbc", (256, 128), 0.5, 15, (0.1, 0.1), 600, 1e-4, 20),
        ("mba", (128, 64), 0.5, 15, (0.1, 0.1), 200, 1e-3, 20),
        ("me", (256, 128), 0.5, 15, (1.0, 1.0), 500, 1e-3, 30),
        ("mvc", (128, 64), 0.5, 5, (1.0, 1.0), 2000, 1e-3, 30),
    ],
)
def test_presets_hold_what_the_released_code_has(name, widths, ratio, feature_k, weights, epochs, lr, top_genes):
    """As its scripts and configs have them; the lists of genes as long as the paper says."""
    config = load_preset(name, "slide.h5ad")
    model, loss, training = config.model, config.loss, config.training
    assert (model.hidden_dim, model.latent_dim, model.modulator_ratio) == (*widths, ratio)
    assert config.graph.feature_k == feature_k
    assert (loss.zinb, loss.spatial, loss.correlation) == (1.0, *weights)
    assert (training.epochs, training.lr, training.weight_decay) == (epochs, lr, 5e-4)
    assert config.semantics.top_genes == top_genes
