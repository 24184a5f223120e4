import pytest

from genesem_embed.store import CollectionMissingError, Store
from genesem_train.cells.choosing import choose_sentences, plain_sentences, sets_of_sample
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.sentences import stored_sentences
from genesem_train.errors import ConfigError, SlideMismatchError

SPLIT = {"by": "patient", "n_folds": 2, "seed": 0, "sha256": "a" * 64}


def sets_of(place, slide, **changes):
    config = CellsConfig(**{"folds": 2, **changes})
    with Store.open(place) as store:
        return stored_sentences(store, slide, dataset="twelve", config=config, split_digest="a" * 64)


def whole_sets(place, slide, sample=None, **changes):
    return sets_of_sample(sets_of(place, slide, **changes), sample, 0)


def test_the_set_with_context_is_chosen_and_its_plain_twin_found(place, slide, stored):
    stored(place, slide, k=0)
    digest = stored(place, slide).digest
    stored(place, slide, occlude=["CD3"], sample=5, ids=slide.obs_names[:5])
    with Store.open(place) as store:
        sets = sets_of(place, slide)
        chosen = choose_sentences(sets, None, "twelve", store)
        assert chosen.digests == [f"twelve@{digest}"]
        assert choose_sentences(sets, digest[:8], "twelve", store) is chosen
    plain = plain_sentences(sets, chosen)
    assert plain is not None
    assert plain.is_plain
    assert len(sets) == 3


def test_vectors_follow_the_cells(place, slide, stored):
    stored(place, slide)
    with Store.open(place) as store:
        one = sets_of(place, slide)[0]
        whole = one.matrix(store, 0, list(slide.obs_names))
        assert (one.matrix(store, 1, ["cell9", "cell2"]) == whole[[9, 2]]).all()


def test_both_sides_of_a_paired_layout_stand_side_by_side(place, slide, stored):
    ids = [f"{name}#{side}" for name in slide.obs_names for side in ("positive", "negative")]
    stored(place, slide, layout="paired", ids=ids)
    with Store.open(place) as store:
        assert sets_of(place, slide)[0].matrix(store, 0, list(slide.obs_names)).shape == (360, 32)


def test_a_fitted_scaling_has_one_collection_a_fold(place, slide, stored):
    digests = [stored(place, slide, split={**SPLIT, "fold": fold}).digest for fold in (0, 1)]
    (one,) = sets_of(place, slide)
    assert [one.info(fold).digest for fold in (0, 1)] == digests


def test_a_scaling_fitted_on_another_split_is_refused(place, slide, stored):
    stored(place, slide, split={**SPLIT, "sha256": "b" * 64, "fold": 0})
    with pytest.raises(SlideMismatchError, match="another split .by patient, 2 folds, seed 0."):
        sets_of(place, slide)


def test_nothing_stored_names_the_build_command(place, slide, stored):
    Store.create(place).close()
    with pytest.raises(CollectionMissingError, match="genesem-embed build --dataset twelve .* --recipe cell-sentences"):
        sets_of(place, slide)


def test_other_cells_of_the_same_name_are_refused(place, slide, stored):
    stored(place, slide)
    slide.X[0, 0] += 1
    with pytest.raises(SlideMismatchError, match="are not the ones its sentences were built from"):
        sets_of(place, slide)


def test_several_sets_are_listed_by_what_sets_them_apart(place, slide, stored):
    stored(place, slide, k=5)
    stored(place, slide, k=3)
    with Store.open(place) as store, pytest.raises(ConfigError, match=r"2 sentence collections .* k=3.* k=5"):
        choose_sentences(whole_sets(place, slide), None, "twelve", store)


def test_of_several_the_default_wording_is_chosen(place, slide, stored):
    stored(place, slide, k=3)
    digest = stored(place, slide).digest
    with Store.open(place) as store:
        assert choose_sentences(whole_sets(place, slide), None, "twelve", store).info(0).digest == digest
