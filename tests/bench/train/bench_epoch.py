"""An epoch of SemST here against the plain dense formulation, and how time and memory grow with the slide.

Seconds of processor time are compared, which other processes on the machine disturb least.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

SCRIPT = Path(__file__).with_name("epoch.py")


def measure(*arguments):
    command = [sys.executable, "-W", "ignore", str(SCRIPT), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    print("\n{how:8} {n_spots:>8,} spots  {cpu_s:7.2f} s cpu  {wall_s:7.2f} s wall  {peak_gb:5.2f} GB".format(**found))
    return found


@pytest.mark.parametrize(("n_spots", "goal"), [(4000, 4), (8000, 6)], ids=["4000", "8000"])
def test_an_epoch_against_the_plain_formulation(n_spots, goal):
    plain, ours = measure("plain", n_spots, 3000, 2), measure("genesem", n_spots, 3000, 3)
    faster, smaller = plain["cpu_s"] / ours["cpu_s"], plain["peak_gb"] / ours["peak_gb"]
    print(f"{faster:.1f} times as fast, {smaller:.1f} times less memory")
    assert faster >= goal


def test_time_grows_with_spots_and_no_faster():
    sizes = [4000, 16_000, 64_000]
    seconds = [measure("genesem", size, 1000, 2)["cpu_s"] for size in sizes]
    exponent = np.polyfit(np.log(sizes), np.log(seconds), 1)[0]
    print(f"exponent {exponent:.2f}")
    assert exponent <= 1.15


def test_a_hundred_thousand_spots_fit_in_eight_gigabytes():
    assert measure("genesem", 100_000, 3000, 1)["peak_gb"] < 8
