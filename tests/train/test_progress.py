"""The progress bars of a fit and of a build, drawn to a terminal of our own."""

import io
import re

import pytest
from rich.console import Console

import genesem_embed.cli.progress
import genesem_train.cli.progress


@pytest.fixture
def screen(monkeypatch):
    """Return what bars are drawn on, as a terminal would get it."""
    drawn = io.StringIO()
    console = Console(file=drawn, force_terminal=True, width=160, color_system=None)
    for module in (genesem_train.cli.progress, genesem_embed.cli.progress):
        monkeypatch.setattr(module, "Console", lambda stderr: console)
    return drawn


def last_line(drawn):
    """Return what stands on the terminal at the end, without the codes that move its cursor."""
    return re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", drawn.getvalue()).replace("\r", "\n").strip().splitlines()[-1]


def test_a_fit_shows_seed_epochs_loss_terms_and_time_left(screen):
    with genesem_train.cli.progress.FitProgress() as progress:
        assert screen.getvalue() == ""  # nothing before the first epoch
        for epoch in range(1, 9):
            progress.epoch(3, epoch, 9, {"zinb": 1.23456 / epoch, "spatial": 0.5, "total": 2.0})
            progress._drawn = 0.0  # draw every epoch
    last = last_line(screen)
    assert "seed 3" in last
    assert "8/9" in last
    assert "zinb 0.1543  spatial 0.5  total 2" in last
    assert re.search(r"\d:\d\d:\d\d", last)


def test_after_the_last_epoch_the_bar_says_what_is_left(screen):
    with genesem_train.cli.progress.FitProgress() as progress:
        progress.epoch(0, 2, 2, {"total": 1.0})
    assert "scores and report" in last_line(screen)


def test_a_fit_that_draws_nothing_leaves_the_terminal_alone(screen):
    with genesem_train.cli.progress.FitProgress():
        pass
    assert screen.getvalue() == ""


def test_a_build_shows_texts_rates_and_time_left(screen):
    with genesem_embed.cli.progress.EncodingProgress() as progress:
        progress.start(10, 0)
        progress.advance(4, 400)
        progress.advance(6, 600)
    last = last_line(screen)
    assert "10/10" in last
    assert re.search(r"[\d.]+ texts/s  [\d,]+ tokens/s", last)
    assert re.search(r"\d:\d\d:\d\d", last)
