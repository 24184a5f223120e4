"""How the encoder benchmarks measure: alternatives take turns, and a median is taken of each."""

import statistics
import time

import pytest


@pytest.fixture(scope="session")
def take_turns():
    """Return a function that times named calls in turn, and gives the median seconds and the last result of each."""

    def measure(calls, repeats):
        seconds = {name: [] for name in calls}
        results = {}
        for _ in range(repeats):
            for name, call in calls.items():
                begun = time.perf_counter()
                results[name] = call()
                seconds[name].append(time.perf_counter() - begun)
        return {name: statistics.median(found) for name, found in seconds.items()}, results

    return measure


@pytest.fixture(scope="session")
def show():
    """Return a function that prints a table of rates and how often faster the first one is."""

    def table(title, medians, n_texts, n_tokens):
        first = next(iter(medians.values()))
        print(f"\n{title}: {n_texts} texts, {n_tokens} tokens, {n_tokens / n_texts:.0f} a text")
        print("| way | seconds | texts/s | tokens/s | ours is faster by |\n|---|---|---|---|---|")
        for name, seconds in medians.items():
            rates = f"{n_texts / seconds:.1f} | {n_tokens / seconds:,.0f}"
            print(f"| {name} | {seconds:.2f} | {rates} | {seconds / first:.2f}x |")

    return table
