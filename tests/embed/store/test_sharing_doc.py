"""The worked examples of docs/sharing.md run as they are printed, with places on this machine put in for the others."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from genesem_embed.cli import app
from genesem_embed.store import Store

DOC = Path(__file__).parents[3] / "docs" / "sharing.md"
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", DOC.read_text(), re.MULTILINE | re.DOTALL))


@pytest.fixture
def run(tmp_path, monkeypatch, web, s3, filled, fake_encoder):
    """Run the commands of one section in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("genesem_embed.cli.engines.load", lambda model, *more: fake_encoder(model.space))
    lab = tmp_path / "lab"
    places = {"/mnt/lab/vectors": str(lab), "s3://lab-bucket": s3, "/mnt/alice/vectors": str(filled.root)}
    shutil.copytree(filled.root, lab)
    shutil.copytree(filled.root, tmp_path / "bob")
    places["/mnt/bob/vectors"] = str(tmp_path / "bob")
    places["https://lab.example.org/vectors"] = web(lab)

    def run_section(title):
        printed = []
        for block in re.findall(r"```sh\n(.*?)```", SECTIONS[title], re.DOTALL):
            for line in block.splitlines():
                for there, here in places.items():
                    line = line.replace(there, here)
                program, *arguments = shlex.split(line)
                if program == "ssh-keygen":
                    if shutil.which(program) is None:
                        pytest.skip("ssh-keygen is not installed")
                    subprocess.run([program, *arguments], check=True)
                    continue
                assert program == "genesem-embed"
                done = CliRunner().invoke(app, arguments, catch_exceptions=False)
                expected = 1 if "not audited: " in done.stdout else 0  # of a model that no test has
                assert done.exit_code == expected, (line, done.output)
                printed.append(done.output)
        return printed

    return run_section


@pytest.mark.parametrize("title", ["S3", "A static web server", "An archive on a stick"])
def test_what_is_shared_arrives(run, title, filled, tmp_path):
    run(title)
    with Store.open(tmp_path / "mine") as mine:
        np.testing.assert_array_equal(mine.matrix("demo.spot-symbols"), filled.matrix("demo.spot-symbols"))
        assert mine.verify().ok


def test_a_shared_disk(run):
    merged, compared, verified = run("A shared disk")
    assert "0 segments moved" in merged
    assert "only" in compared
    assert verified.startswith("0 problems")


def test_upkeep(run):
    compacted, could_go, went = run("Upkeep")
    assert "3 small segments" in compacted
    assert "run again with --delete" in could_go
    assert "removed" in went


def test_signed_refs(run, tmp_path):
    """The audit at the end finds a space of a model that is nowhere to be had, and says so."""
    *_, audited = run("Signed refs")
    assert "not audited: " in audited
    with Store.open(tmp_path / "mine") as mine:
        assert len(mine.segment_digests()) == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ["pull", "nowhere", "--store", "mine"],
        ["import", "none.tar", "--store", "mine"],
        ["push", "ftp://x", "--store", "lab"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_a_problem_is_one_line_and_exit_code_1(run, arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert re.fullmatch(r"error: [^\n]+\n", done.stderr)


def test_json_is_one_object(run, tmp_path):
    import json

    for arguments in (
        ["publish", "--store", "lab"],
        ["push", "there", "--store", "lab"],
        ["pull", "lab", "--store", "mine"],
        ["merge", "lab", "--into", "mine"],
        ["export", "x.tar", "--store", "lab"],
        ["import", "x.tar", "--store", "mine"],
        ["diff", "lab", "mine"],
        ["compact", "--store", "mine"],
        ["gc", "--store", "mine"],
        ["audit", "--store", "mine"],
    ):
        done = CliRunner().invoke(app, [*arguments, "--json"], catch_exceptions=False)
        assert isinstance(json.loads(done.stdout), dict)
