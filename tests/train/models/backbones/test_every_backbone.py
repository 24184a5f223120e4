"""What every file of ``models/backbones/`` must do, so that settings, training and reports take it."""

import pytest
import torch

from genesem_train.cli.settings import resolve_settings
from genesem_train.config import list_backbones, list_presets, load_preset
from genesem_train.errors import ConfigError
from genesem_train.models.backbones import backbone_class
from genesem_train.training.fit import fit_backbone

ALL = list_backbones()


def test_an_unknown_name_is_refused_and_the_known_are_listed():
    assert {"semst", "stagate"} <= {*ALL}
    with pytest.raises(ConfigError, match=f"backbone is 'other'; expected one of {', '.join(ALL)}"):
        load_preset("demo", "demo").with_values("model", backbone="other")


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("fusion", ["fsm", "concat", "add", "cross-attention", "none"])
def test_it_is_made_of_settings_and_trained(inputs, name, fusion):
    settings = load_preset("default", "demo").with_values("model", hidden_dim=8, latent_dim=6, fusion=fusion)
    network = backbone_class(name)

    def make():
        return network.from_settings(settings.model, settings.loss, 25, 12, 40)

    trained = fit_backbone(make, inputs, epochs=2, clip_norm=network.clip_norm)
    assert type(make()).__module__.endswith(f"backbones.{name}")
    assert trained.latent.shape == (40, 6)
    assert (trained.alpha is not None) == (fusion == "fsm")
    assert all(torch.isfinite(value).all() for value in trained.weights.values())


@pytest.mark.parametrize("name", sorted({*ALL} & {*list_presets()}))
def test_its_preset_is_taken_where_no_other_is_named(name):
    settings = resolve_settings(
        "slide.h5ad", None, None, None, {}, model={"backbone": name}, data={}, training={}, domains={}, semantics={}
    )
    assert settings.preset == name
    assert settings.model.backbone == name
