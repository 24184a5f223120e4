import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from genesem_embed.errors import InputError
from genesem_embed.texts.budget import TokenBudget, fit_prompts


def write_with(lengths):
    return lambda row, n_slots: " ".join(["task", *(word for n in lengths[row][:n_slots] for word in ["w"] * n)])


def words(system, users):
    return np.array([len(text.split()) + len((system or "").split()) for text in users])


@given(lengths=st.lists(st.lists(st.integers(0, 6), min_size=5, max_size=5), max_size=8), limit=st.integers(1, 20))
def test_as_many_slots_as_fit(lengths, limit):
    write, budget = write_with(lengths), TokenBudget(max_tokens=limit, count=words)
    users, kept = fit_prompts(write, len(lengths), 5, system=None, budget=budget, advice="say less")
    assert [write(row, n_slots) for row, n_slots in enumerate(kept)] == users
    for row, n_slots in enumerate(kept):
        assert words(None, [users[row]])[0] <= limit
        assert n_slots == 5 or words(None, [write(row, n_slots + 1)])[0] > limit


def test_whole_sentences_are_dropped():
    budget = TokenBudget(max_tokens=12, count=words)
    _, kept = fit_prompts(write_with([[5, 5, 5, 5]]), 1, 4, system=None, budget=budget, advice="say less")
    assert kept.tolist() == [2]


def test_the_system_part_counts():
    budget = TokenBudget(max_tokens=12, count=words)
    _, kept = fit_prompts(write_with([[5, 5]]), 1, 2, system="two words", budget=budget, advice="say less")
    assert kept.tolist() == [1]


def test_no_budget_keeps_everything():
    users, kept = fit_prompts(write_with([[5, 5]]), 1, 2, system=None, budget=None, advice="say less")
    assert (len(users[0].split()), kept.tolist()) == (11, [2])


def test_a_target_too_long_for_the_model_is_refused():
    budget = TokenBudget(max_tokens=3, count=lambda system, users: np.full(len(users), 9))
    with pytest.raises(InputError, match="takes 9 tokens; the model takes 3: say less, or take"):
        fit_prompts(write_with([[1, 1]]), 1, 2, system=None, budget=budget, advice="say less")
