"""How the encoder benchmarks measure: alternatives take turns, and a median is taken of each."""

import statistics
import time
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Seconds:
    """What one way took: on the clock, and of all processors together, which other programs disturb less."""

    wall: float
    cpu: float


@pytest.fixture(scope="session")
def take_turns():
    """Return a function that times named calls in turn, and gives the medians and the last result of each."""

    def measure(calls, repeats):
        taken = {name: [] for name in calls}
        results = {}
        for _ in range(repeats):
            for name, call in calls.items():
                begun = time.perf_counter(), time.process_time()
                results[name] = call()
                taken[name].append((time.perf_counter() - begun[0], time.process_time() - begun[1]))
        medians = {
            name: Seconds(*(statistics.median(column) for column in zip(*found, strict=True)))
            for name, found in taken.items()
        }
        return medians, results

    return measure


@pytest.fixture(scope="session")
def show():
    """Return a function that prints a table of rates and how often faster the first way is."""

    def table(title, medians, n_texts, n_tokens):
        first = next(iter(medians.values()))
        print(f"\n{title}: {n_texts} texts, {n_tokens} tokens, {n_tokens / n_texts:.0f} a text")
        print("| way | seconds | texts/s | tokens/s | ours is faster by | CPU seconds | by |")
        print("|---|---|---|---|---|---|---|")
        for name, one in medians.items():
            rates = f"{n_texts / one.wall:.1f} | {n_tokens / one.wall:,.0f} | {one.wall / first.wall:.2f}x"
            print(f"| {name} | {one.wall:.2f} | {rates} | {one.cpu:.2f} | {one.cpu / first.cpu:.2f}x |", flush=True)

    return table
