"""A million spots: graph and a few epochs in the memory of a workstation. Takes minutes; `nox -s scale`."""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SPOTS = 1_000_000


def measure(script, *arguments):
    command = [sys.executable, "-W", "ignore", str(HERE / script), *map(str, arguments)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    print("\n{n_spots:,} spots {wall_s:7.1f} s wall {cpu_s:7.1f} s cpu {peak_gb:5.2f} GB".format(**found))
    return found


def test_spatial_neighbours_in_half_a_minute():
    assert measure("graphs.py", "spatial", SPOTS)["wall_s"] < 30


def test_three_epochs_of_five_hundred_genes_in_twenty_gigabytes():
    assert measure("epoch.py", "genesem", SPOTS, 500, 2, 128, 64)["peak_gb"] < 20
