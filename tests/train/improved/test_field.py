import numpy as np
import pytest

from genesem_train.graphs import spatial_graph
from genesem_train.improved import field as module
from genesem_train.improved.field import STRENGTHS, smooth_field, smooth_like


@pytest.fixture
def noisy():
    """A wave over the slide with noise, noise alone, and its graph."""
    rng = np.random.default_rng(0)
    coords = rng.uniform(0, 10, size=(400, 2))
    wave = np.sin(coords[:, 0])
    scores = np.stack([wave + 0.5 * rng.normal(size=400), rng.normal(size=400)], axis=1)
    return wave, scores, spatial_graph(coords, kind="knn", k=6)


def dense_smoother(graph, strength):
    linked = graph.toarray().astype(float)
    roots = 1 / np.sqrt(linked.sum(axis=1))
    laplacian = np.eye(len(linked)) - roots[:, None] * linked * roots
    return np.linalg.inv(np.eye(len(linked)) + strength * laplacian @ laplacian)


def mixed_smoother(graph, shares):
    return sum(share * dense_smoother(graph, strength) for share, strength in zip(shares, STRENGTHS, strict=True))


def test_smoothing_is_a_mean_of_ridge_solutions(noisy):
    _, scores, graph = noisy
    found = smooth_field(scores, graph)
    centred = scores - scores.mean(axis=0)
    for column in range(2):
        smoother = mixed_smoother(graph, found.shares[column])
        assert np.allclose(found.values[:, column], smoother @ centred[:, column], atol=1e-5)


def test_chosen_strengths_smooth_another_slide_in_the_same_way(noisy):
    _, scores, graph = noisy
    found = smooth_field(scores, graph)
    again = smooth_like(scores - scores.mean(axis=0), graph, found.shares)
    assert np.allclose(again, found.values, atol=1e-9)
    smoother = mixed_smoother(graph, found.shares[1])
    moved = smooth_like(scores + 2.0, graph, found.shares)
    assert np.allclose(moved[:, 1], smoother @ (scores[:, 1] + 2.0), atol=1e-5)  # not centred


@pytest.mark.parametrize("slack", [0.0, 0.5, 1.0])
def test_greater_strengths_within_so_many_errors_of_the_best_count_like_it(noisy, slack):
    _, scores, graph = noisy
    centred = scores[:, 0] - scores[:, 0].mean()
    smoothers = [dense_smoother(graph, strength) for strength in STRENGTHS]
    missed = np.array([(centred - smoother @ centred) / (1 - np.diag(smoother)) for smoother in smoothers])
    errors = missed**2
    best = errors.mean(axis=1).argmin()
    one_error = (errors - errors[best]).std(axis=1) / np.sqrt(400)
    within = errors.mean(axis=1) <= errors[best].mean() + slack * one_error
    as_good = np.flatnonzero(within & (np.arange(len(STRENGTHS)) >= best))
    assert (len(as_good) > 1) == (slack > 0)
    found = smooth_field(scores, graph, slack=slack)
    assert np.allclose(found.shares[0], np.isin(np.arange(len(STRENGTHS)), as_good) / len(as_good))
    unseen = missed[as_good].mean(axis=0)  # every spot by smoothers that were not shown it
    assert found.explained[0] == pytest.approx(1 - (unseen**2).mean() / scores[:, 0].var(), abs=1e-4)
    own = [np.mean([smoothers[one][spot, spot] for one in as_good]) for spot in range(400)]
    alone = smooth_field(scores[:, :1], graph, slack=slack)
    assert alone.own_share == pytest.approx(np.mean(own), abs=1e-4)


def test_structure_is_kept_and_noise_vanishes(noisy):
    wave, scores, graph = noisy
    found = smooth_field(scores, graph)
    assert np.corrcoef(found.values[:, 0], wave)[0, 1] > 0.95
    assert found.explained[0] > 0.5
    assert found.explained[1] < 0.05
    assert found.values[:, 1].std() < 0.2
    assert 0.02 < found.own_share < 0.5


def test_a_slide_of_patches_as_small_as_spots_keeps_its_own_values():
    rng = np.random.default_rng(1)
    graph = spatial_graph(rng.uniform(size=(300, 2)), kind="knn", k=6)
    assert smooth_field(rng.normal(size=(300, 3)), graph).own_share <= 1


def test_estimated_leverages_lead_to_nearly_the_same_field(noisy, monkeypatch):
    _, scores, graph = noisy
    exact = smooth_field(scores, graph)
    monkeypatch.setattr(module, "EXACT_SPOTS", 100)
    estimated = smooth_field(scores, graph)
    assert np.corrcoef(exact.values[:, 0], estimated.values[:, 0])[0, 1] > 0.99
    assert estimated.own_share == pytest.approx(exact.own_share, abs=0.08)


def test_chunks_of_components_change_nothing(noisy, monkeypatch):
    _, scores, graph = noisy
    whole = smooth_field(scores, graph)
    monkeypatch.setattr(module, "CHUNK_VALUES", 1)
    assert np.array_equal(smooth_field(scores, graph).values, whole.values)


def test_a_constant_component_is_no_problem(noisy):
    _, scores, graph = noisy
    scores[:, 1] = 3.0
    found = smooth_field(scores, graph)
    assert found.explained[1] == 0
    assert np.isfinite(found.values).all()
