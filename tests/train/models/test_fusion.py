import pytest
import torch

from genesem_train.models.fusion import (
    Add,
    Concat,
    CrossAttention,
    FineGrainedModulation,
    SemanticHead,
    make_fusion,
)

FEATURES = torch.randn(7, 8, generator=torch.Generator().manual_seed(0))
SEMANTICS = torch.randn(7, 20, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", ["fsm", "concat", "add", "cross-attention"])
def test_fusions_keep_spots_and_say_their_width(name):
    fusion = make_fusion(name, 8, 20, head_dim=4, bottleneck_dim=2)
    fused = fusion(FEATURES, SEMANTICS)
    assert fused.shape == (7, fusion.out_dim)
    turned = torch.randperm(7, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(fusion(FEATURES[turned], SEMANTICS[turned]), fused[turned], atol=1e-6)
    fused.sum().backward()
    assert all(part.grad is not None for part in fusion.parameters())


@pytest.mark.parametrize("name", ["fsm", "concat", "add", "cross-attention"])
def test_vectors_of_a_store_in_half_precision_go_in_as_they_are(name):
    fusion = make_fusion(name, 8, 20, head_dim=4, bottleneck_dim=2)
    half = SEMANTICS.half()
    assert torch.equal(fusion(FEATURES, half), fusion(FEATURES, half.float()))


@pytest.mark.parametrize(("name", "dim"), [("none", 20), ("fsm", None)])
def test_without_semantics_there_is_no_fusion(name, dim):
    assert make_fusion(name, 8, dim, head_dim=4, bottleneck_dim=2) is None


def test_modulation_by_hand():
    fusion = FineGrainedModulation(8, 20, head_dim=4, bottleneck_dim=3)
    first, _, second = fusion.head
    squeeze, _, stretch = fusion.modulator
    projected = (SEMANTICS @ first.weight.T + first.bias).clamp(min=0) @ second.weight.T + second.bias
    both = (projected @ squeeze.weight.T + squeeze.bias).clamp(min=0) @ stretch.weight.T + stretch.bias
    alpha, beta = both[:, :8], both[:, 8:]
    assert torch.allclose(fusion(FEATURES, SEMANTICS), (1 + alpha) * FEATURES + beta, atol=1e-6)


def test_released_widths():
    fusion = make_fusion("fsm", 256, 2560, head_dim=128, bottleneck_dim=int(128 * 1.2))
    shapes = [tuple(part.weight.shape) for part in (*fusion.head, *fusion.modulator) if hasattr(part, "weight")]
    assert shapes == [(1280, 2560), (128, 1280), (153, 128), (512, 153)]


def test_concat_and_add_by_hand():
    concat, add = Concat(8, 20, head_dim=5), Add(8, 20)
    assert torch.equal(concat(FEATURES, SEMANTICS), torch.cat([FEATURES, concat.head(SEMANTICS)], dim=1))
    assert torch.equal(add(FEATURES, SEMANTICS), FEATURES + add.head(SEMANTICS))


def test_cross_attention_by_hand():
    fusion = CrossAttention(8, 20, n_tokens=3, n_heads=2)
    layer = fusion.attention
    tokens = fusion.head(SEMANTICS).view(7, 3, 8)
    asked, keys, values = (
        part @ weight.T + bias
        for part, weight, bias in zip(
            (FEATURES[:, None], tokens, tokens), layer.in_proj_weight.chunk(3), layer.in_proj_bias.chunk(3), strict=True
        )
    )
    answers = []
    for head in (slice(0, 4), slice(4, 8)):
        share = (asked[..., head] @ keys[..., head].transpose(1, 2) / 2).softmax(dim=-1)  # 2 is the root of 4
        answers.append(share @ values[..., head])
    expected = FEATURES + torch.cat(answers, dim=-1)[:, 0] @ layer.out_proj.weight.T + layer.out_proj.bias
    assert torch.allclose(fusion(FEATURES, SEMANTICS), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["fsm", "concat", "add", "cross-attention"])
def test_a_spot_is_guided_by_its_own_semantics_alone(name):
    torch.manual_seed(0)  # of two hidden units, both may be at rest for a spot
    fusion = make_fusion(name, 8, 20, head_dim=16, bottleneck_dim=16)
    other = SEMANTICS.clone()
    other[3] = 7.0
    moved = (fusion(FEATURES, other) - fusion(FEATURES, SEMANTICS)).abs().amax(dim=1) > 1e-6
    assert moved.nonzero().flatten().tolist() == [3]


def test_head_halves_the_width():
    assert [part.out_features for part in SemanticHead(20, 3) if hasattr(part, "out_features")] == [10, 3]
