import hashlib
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from genesem_embed.datasets import assign_folds, load_slide, split_groups
from genesem_embed.errors import InputError
from genesem_embed.texts import (
    CellOptions,
    RecipeOptions,
    TokenBudget,
    expand_options,
    find_recipe,
    load_template,
    make_prompts,
)
from genesem_embed.texts.cells.cohort import has_folds, read_cohort
from genesem_embed.texts.cells.neighbours import NONE
from genesem_embed.texts.cells.recipe import compose

FOLD = CellOptions(fold=0, folds=4)


def prompts_of(slide, cells=FOLD, **changes):
    return make_prompts(slide, "cell-sentences", options=RecipeOptions(cells=cells, **changes))


def test_a_prompt_has_target_context_and_question(cells):
    prompts = prompts_of(cells)
    lines = prompts.users[0].splitlines()
    assert [line.split(":")[0] for line in lines] == [
        "Target cell",
        "Cells with similar expression",
        "Cells nearby in the tissue",
        "Cells with dissimilar expression",
        "Cells far away in the tissue",
        "Cell type and clinical status",
    ]
    assert sorted(lines[0].removeprefix("Target cell: ").split()) == sorted(prompts.recipe["markers"])
    assert prompts.ids == list(cells.obs_names)
    assert prompts.unit == "cell"


@pytest.mark.parametrize("split_by", ["patient", "image", "cell"])
def test_test_cells_change_no_training_text(cells, split_by):
    options = replace(FOLD, split_by=split_by, k=2)
    training = read_cohort(cells, options).cells.training
    before = np.array(prompts_of(cells, options).users)
    rng = np.random.default_rng(1)
    cells.X[~training] = rng.gamma(2, 50, cells.X[~training].shape)
    cells.obsm["spatial"][~training] = rng.uniform(0, 9, ((~training).sum(), 2))
    after = np.array(prompts_of(cells, options).users)
    assert (before[training] == after[training]).all()
    assert (before[~training] != after[~training]).any()


OPTIONS = st.builds(
    CellOptions,
    k=st.integers(0, 3),
    pairing=st.sampled_from(["union", "intersection", "spatial", "expression"]),
    similarity=st.sampled_from(["cosine", "pearson", "euclidean"]),
    distance=st.sampled_from(["euclidean", "l1", "cosine"]),
    negatives=st.sampled_from(["quantile", "paper-like", "random", "none"]),
    layout=st.sampled_from(["joint", "paired", "sections"]),
    scaling=st.sampled_from(["raw", "zscore", "p99"]),
    scaling_scope=st.sampled_from(["training", "image"]),
    undetected=st.sampled_from(["drop", "keep"]),
    content=st.sampled_from(["ranks", "values"]),
    shuffle_coordinates=st.booleans(),
    split_by=st.sampled_from(["patient", "image", "cell"]),
    status_key=st.sampled_from([None, "status"]),
    fold=st.integers(0, 1),
    folds=st.just(2),
)


@given(OPTIONS, st.integers(0, 99))
@settings(max_examples=25)
def test_whatever_the_options_test_cells_change_no_training_text(make_cells, options, seed):
    """Texts are compared for every split, even where one collection serves all folds and none is stamped."""
    slide = make_cells(cells_per_image=12)
    fold = assign_folds(
        split_groups(slide, options.split_by),
        n_folds=2,
        seed=options.seed,
        strata=pd.Categorical(slide.obs["status"]) if options.status_key else None,
    )
    test = fold == options.fold
    if not has_folds(slide, options):
        options = replace(options, fold=None)
    before = prompts_of(slide, options)
    rng = np.random.default_rng(seed)
    slide.X[test] = rng.gamma(2, 50, slide.X[test].shape)
    slide.obsm["spatial"][test] = rng.uniform(0, 9, (test.sum(), 2))
    after = prompts_of(slide, options)
    training = set(slide.obs_names[~test])
    for name, one, other in zip(before.ids, before.users, after.users, strict=True):
        assert one == other or name.partition("#")[0] not in training


def test_labels_change_nothing(cells):
    before = prompts_of(cells)
    cells.obs["cell_type"] = "Tcell"
    cells.obs["status"] = cells.obs["patient"].astype(str) + "-other"
    after = prompts_of(cells)
    assert (before.users, before.recipe) == (after.users, after.recipe)


def test_folds_differ_and_a_build_makes_them_all(cells):
    options = expand_options(cells, "cell-sentences", RecipeOptions(cells=CellOptions(folds=4)))
    assert [part.cells.fold for part in options] == [0, 1, 2, 3]
    found = [make_prompts(cells, "cell-sentences", options=part) for part in options]
    assert len({tuple(prompts.users) for prompts in found}) == 4
    assert len({prompts.recipe["split"]["sha256"] for prompts in found}) == 1


def test_a_split_by_cell_divides_neighbours_even_where_nothing_is_scaled(cells):
    options = CellOptions(scaling="raw", split_by="cell", folds=2)
    parts = expand_options(cells, "cell-sentences", RecipeOptions(cells=options))
    assert [part.cells.fold for part in parts] == [0, 1]
    composed = compose(cells, parts[0], load_template("cell-sentences", "context"))
    training = composed.cohort.cells.training
    for picks in composed.context.values():
        taken = picks[training]
        assert training[taken[taken != NONE]].all()
    with pytest.raises(InputError, match="neighbours are drawn among the training cells of a fold, and the fold is No"):
        prompts_of(cells, options)


def test_a_new_cohort_is_scaled_by_its_own_cells(cells):
    options = CellOptions(scaling_scope="cohort", scaling="zscore")
    assert expand_options(cells, "cell-sentences", RecipeOptions(cells=options)) == [RecipeOptions(cells=options)]
    recipe = prompts_of(cells, options).recipe
    assert (recipe["split"], recipe["cells"]["scaling_scope"]) == (None, "cohort")
    assert prompts_of(cells, options).users != prompts_of(cells).users


def test_a_named_fold_is_stamped_though_no_text_depends_on_it(cells):
    options = CellOptions(scaling="raw", fold=1, folds=4)
    named, plain = prompts_of(cells, options), prompts_of(cells, CellOptions(scaling="raw"))
    assert named.users == plain.users
    assert named.recipe["split"]["fold"] == 1


@pytest.mark.parametrize(
    ("recipe", "cells_options"),
    [("spot-symbols", CellOptions()), ("cell-sentences", CellOptions(scaling="raw")), ("cell-sentences", FOLD)],
    ids=["other recipe", "nothing fitted", "one fold"],
)
def test_one_collection_where_one_serves(cells, recipe, cells_options):
    options = RecipeOptions(cells=cells_options)
    assert expand_options(cells, recipe, options) == [options]


def test_k_zero_is_the_plain_sentence(cells):
    first, *_, last = prompts_of(cells, replace(FOLD, k=0)).users[0].splitlines()
    assert first.startswith("Target cell: ")
    assert last == "Cell type and clinical status:"
    assert len(prompts_of(cells, replace(FOLD, k=0)).users[0].splitlines()) == 2


def test_paired_layout_gives_two_prompts(cells):
    prompts = prompts_of(cells, replace(FOLD, layout="paired"))
    assert prompts.ids[:2] == ["cell0000#positive", "cell0000#negative"]
    assert len(prompts.users) == 2 * cells.n_obs
    assert "nearby" in prompts.users[0]
    assert "far away" not in prompts.users[0]
    assert "far away" in prompts.users[1]
    assert prompts.users[0].splitlines()[0] == prompts.users[1].splitlines()[0]


def test_a_layout_of_sections_keeps_the_cell_and_its_neighbours_apart(cells):
    options = replace(FOLD, layout="sections", k=2)
    prompts, joint, plain = (prompts_of(cells, one) for one in (options, replace(FOLD, k=2), replace(FOLD, k=0)))
    sides = ["target", "similar", "near", "dissimilar", "distant"]
    assert prompts.ids[:5] == [f"cell0000#{side}" for side in sides]
    assert prompts.users[::5] == plain.users  # so both share their vectors
    for row, text in enumerate(joint.users):
        *lines, question = text.splitlines()
        assert prompts.users[5 * row + 1 : 5 * row + 5] == [f"{line}\n{question}" for line in lines[1:]]


def test_a_section_without_a_neighbour_is_there_but_empty(make_cells):
    slide = make_cells(cells_per_image=1)
    prompts = prompts_of(slide, replace(FOLD, layout="sections"))
    assert prompts.users[2] == "Cells nearby in the tissue:\nCell type and clinical status:"


def test_occlusion_touches_the_target_alone(cells):
    whole, hidden = prompts_of(cells), prompts_of(cells, replace(FOLD, occlude=("cd3",)))
    for one, other in zip(whole.users, hidden.users, strict=True):
        first, *rest = one.splitlines()
        assert other.splitlines() == [" ".join(word for word in first.split() if word != "CD3"), *rest]


def test_a_sample_keeps_its_neighbours(cells):
    whole, part = prompts_of(cells), prompts_of(cells, replace(FOLD, sample=20))
    text = dict(zip(whole.ids, whole.users, strict=True))
    assert len(part.ids) == 20
    assert part.ids == sorted(part.ids)
    assert [text[name] for name in part.ids] == part.users


def test_filler_has_the_same_words_and_says_nothing(cells):
    whole, filler = prompts_of(cells), prompts_of(cells, replace(FOLD, filler=True))
    for one, other in zip(whole.users, filler.users, strict=True):
        assert one.splitlines()[0] == other.splitlines()[0]
        assert len(one.split()) == len(other.split())
        for line in other.splitlines()[1:-1]:
            words = line.split("1) ")[1].split()
            assert words == filler.recipe["markers"][: len(words)]


def test_values_in_place_of_ranks(cells):
    line = prompts_of(cells, replace(FOLD, content="values", scaling="raw", k=0)).users[0].splitlines()[0]
    assert line.startswith(f"Target cell: CD45 {cells.X[0, 0]:.1f} CD3 {cells.X[0, 1]:.1f} ")


def test_long_prompts_lose_negatives_first_and_say_so(cells):
    budget = TokenBudget(max_tokens=55, count=lambda system, users: np.array([len(text.split()) for text in users]))
    prompts = prompts_of(cells, budget=budget)
    assert max(len(text.split()) for text in prompts.users) <= 55
    assert all("nearby" in text and text.endswith("status:") for text in prompts.users)
    dropped = prompts.notes["dropped_sentences"]
    assert set(dropped) == {"distant"}
    assert prompts.recipe["max_tokens"] == 55
    told = f"sentences dropped so that prompts fit the model: {dropped['distant']} distant"
    assert told in prompts.notes["warnings"]


def test_small_images_empty_and_coincident_cells_are_told(make_cells):
    slide = make_cells(cells_per_image=2)
    slide.X[3] = 0
    slide.obsm["spatial"][:2] = 7
    prompts = prompts_of(slide, replace(FOLD, k=3))
    assert prompts.users[3].startswith("Target cell: no protein detected\n")
    assert prompts.notes["warnings"] == [
        "8 images have fewer than 4 cells (first: img00, img01, img02, img03, img04): their sections are shorter",
        "1 cells show no marker and are written so",
        "1 cells stand where another cell of their image stands; ties go by cell order",
    ]


def test_an_image_of_two_patients_is_refused(cells):
    cells.obs["image"] = "tile-" + (np.arange(cells.n_obs) % 3).astype(str).astype(object)
    with pytest.raises(InputError, match="3 of 3 images hold cells of several patients .first: tile-0 of p0, p1, p2"):
        prompts_of(cells)


def test_a_leaking_marker_is_refused(cells):
    cells.X[:, 0] = cells.obs["cell_type"].cat.codes
    with pytest.raises(InputError, match="marker CD45 tells obs"):
        prompts_of(cells)


def test_unknown_markers_are_refused(cells):
    with pytest.raises(InputError, match="no marker CD99; it has CD45"):
        prompts_of(cells, replace(FOLD, occlude=("CD99",)))


def test_the_recipe_wants_markers():
    assert find_recipe("cell-sentences").kind == "markers"


def test_texts_are_the_same_in_another_process_with_other_threads(make_cells, root):
    code = (
        "import hashlib, importlib.util\n"
        "spec = importlib.util.spec_from_file_location('made', 'tests/embed/texts/cells/conftest.py')\n"
        "made = importlib.util.module_from_spec(spec); spec.loader.exec_module(made)\n"
        "from genesem_embed.texts import CellOptions, RecipeOptions, make_prompts\n"
        "options = RecipeOptions(cells=CellOptions(fold=0, folds=4, k=3))\n"
        "users = make_prompts(made.build_cells(cells_per_image=150), 'cell-sentences', options=options).users\n"
        "print(hashlib.sha256('|'.join(users).encode()).hexdigest())"
    )
    env = os.environ | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env, cwd=root)
    here = prompts_of(make_cells(cells_per_image=150), replace(FOLD, k=3)).users
    assert hashlib.sha256("|".join(here).encode()).hexdigest() == done.stdout.strip() == GOLDEN


GOLDEN = "564ee48636d373a8d9a98181b90f26c55015f9626d36af62bab2c1c6991d8681"


@pytest.mark.real
def test_keren_is_written_once_for_all_folds(real_data):
    slide = load_slide(real_data("keren_tnbc_mibi.h5ad"), kind="markers")
    options = RecipeOptions()
    assert expand_options(slide, "cell-sentences", options) == [options]
    prompts = make_prompts(slide, "cell-sentences", options=options)
    assert prompts.recipe["split"] is None
    assert prompts.recipe["cells"]["scaling"] == "raw"
    assert "H3K9ac" not in prompts.recipe["markers"]
    assert len(prompts.ids) == 10_000
    assert prompts.notes["hubs"]["distant"]["max_share"] <= 0.001
