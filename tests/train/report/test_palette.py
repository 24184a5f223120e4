import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb

from genesem_train.report.palette import (
    MISSING,
    MISSING_COLOUR,
    PALETTE,
    annotation_codes,
    code_names,
    colours,
    match_codes,
)

# Machado et al. 2009, severity 1, on linear RGB
DEFICIENCIES = {
    "none": np.eye(3),
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}


def oklab(linear):
    to_cone = [[0.41222, 0.53633, 0.05145], [0.21190, 0.68070, 0.10740], [0.08830, 0.28172, 0.62998]]
    to_lab = [[0.21045, 0.79362, -0.00407], [1.97800, -2.42859, 0.45059], [0.02590, 0.78277, -0.80868]]
    return np.cbrt(np.clip(linear, 0, 1) @ np.transpose(to_cone)) @ np.transpose(to_lab)


def nearest_pair(hexes, deficiency):
    rgb = np.array([to_rgb(colour) for colour in hexes])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    lab = oklab(linear @ np.transpose(DEFICIENCIES[deficiency]))
    distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
    return distances[np.triu_indices(len(lab), 1)].min()


def test_colours_differ_for_every_eye():
    assert len(set(PALETTE)) == 52
    for deficiency in DEFICIENCIES:
        assert nearest_pair([*PALETTE, MISSING_COLOUR], deficiency) > 0.035, deficiency
        assert nearest_pair(PALETTE[:12], deficiency) > 0.07, deficiency


def test_matching_follows_the_larger_overlap():
    reference = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    domains = np.array([7, 7, 5, 5, 5, 5, 3, 3])
    assert match_codes(reference, domains, 3).tolist() == [0, 0, 1, 1, 1, 1, 2, 2]


def test_a_renamed_labelling_comes_back_whole():
    rng = np.random.default_rng(0)
    reference = rng.integers(0, 9, 400)
    assert (match_codes(reference, rng.permutation(9)[reference], 9) == reference).all()


def test_more_domains_than_labels_get_codes_of_their_own():
    reference = np.array([0, 0, 0, 0, 1, 1, MISSING, MISSING])
    domains = np.array([4, 4, 4, 9, 2, 2, 8, 8])
    assert match_codes(reference, domains, 2).tolist() == [0, 0, 0, 3, 1, 1, 2, 2]


def test_names_and_colours_follow_the_codes():
    annotation = pd.Categorical(["b", None, "a"], categories=["a", "b", "unused"])
    codes, names = annotation_codes(annotation)
    assert codes.tolist() == [1, MISSING, 0]
    assert names == ["a", "b"]
    assert code_names(names, [codes, np.array([2, 0, 0])]) == {0: "a", 1: "b", 2: "other domain 1", -1: "no label"}
    assert colours(codes).tolist() == [PALETTE[1], MISSING_COLOUR, PALETTE[0]]
