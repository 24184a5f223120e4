"""A result on a disk that is full at any moment, by a real limit on the size of files in a process of its own."""

import subprocess
import sys

import anndata as ad
import numpy as np
import pytest

from genesem_train.full_disk import write_h5ad

LIMITED = """
import resource, sys
from pathlib import Path
from genesem_train.config import load_preset
from genesem_train.errors import OutputError
from genesem_train.run import run_fit

config = load_preset("default", sys.argv[1]).with_values("training", epochs=2, seeds=(0,))
config = config.with_values("data", n_domains=3).with_values("semantics", kind="none")
out, hard = Path(sys.argv[2]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]
run_fit(config, out=out)
before = (out / "metrics.json").read_bytes()
for limit in (2_000, 60_000):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        run_fit(config, out=out)
    except OutputError as error:
        message = str(error)
        assert "\\n" not in message and "size limit: raise it" in message, message
    else:
        raise AssertionError(f"a limit of {limit} bytes was not met")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert (out / "metrics.json").read_bytes() == before
    assert [entry.name for entry in out.parent.iterdir() if entry.name.endswith((".new", ".old"))] == []
print("refused")
"""


def test_a_disk_that_fills_up_is_one_line_and_the_former_result_stays(slide_file, tmp_path):
    command = [sys.executable, "-c", LIMITED, str(slide_file), str(tmp_path / "R")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.endswith("refused\n")


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_the_file_is_what_anndata_writes(slide_file, tmp_path, kind):
    table = ad.read_h5ad(slide_file)
    if kind == "dense":
        table.X = table.X.toarray()
    write_h5ad(table, tmp_path / "ours.h5ad")
    table.write_h5ad(tmp_path / "theirs.h5ad", compression="gzip")
    ours, theirs = (ad.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("ours", "theirs"))
    assert ours.obs.equals(theirs.obs)
    assert ours.var.equals(theirs.var)
    assert np.array_equal(ours.obsm["spatial"], theirs.obsm["spatial"])
    assert (abs(ours.X - theirs.X)).sum() == 0
    assert ours.uns.keys() == theirs.uns.keys()
    assert (tmp_path / "ours.h5ad").stat().st_size <= 1.1 * (tmp_path / "theirs.h5ad").stat().st_size
