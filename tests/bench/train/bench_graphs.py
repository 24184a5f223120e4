"""Graphs of slides too large for all pairs."""

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("graphs.py")


def measure(*arguments):
    command = [sys.executable, "-W", "ignore", str(SCRIPT), *map(str, arguments)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print("\n{kind:8} {n_spots:>10,} spots {wall_s:7.1f} s wall {cpu_s:7.1f} s cpu {peak_gb:5.2f} GB".format(**found))
    return found


def test_spatial_neighbours_of_a_million_spots():
    assert measure("spatial", 1_000_000)["cpu_s"] < 30


def test_expression_neighbours_miss_at_most_a_twentieth():
    found = measure("feature", 30_000, 3000)
    print(f"recall {found['recall']:.3f}")
    assert found["recall"] >= 0.95
