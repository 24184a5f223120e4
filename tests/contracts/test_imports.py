"""What static contracts cannot see: which modules a process really holds after a command."""

import ast
import json
import subprocess
import sys

import pytest

HEAVY = ("torch", "transformers", "accelerate", "bitsandbytes")
SLOW_TO_LOAD = (*HEAVY, "scanpy", "anndata", "pandas", "zarr", "duckdb", "pyarrow", "sklearn", "matplotlib")


def loaded_after(code, names=HEAVY):
    """Return which of `names` a fresh process holds that ran `code`."""
    probe = f"{code}\nimport sys, json\nprint(json.dumps([name for name in {names} if name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize(
    "module",
    [
        "genesem_embed",
        "genesem_embed.store",
        "genesem_embed.datasets",
        "genesem_embed.texts",
        "genesem_embed.build",
        "genesem_embed.cli",
        "genesem_embed.encoders.model",
        "genesem_train.cli",
    ],
)
def test_importing_loads_no_torch(module):
    assert loaded_after(f"import {module}") == []


def test_genesem_train_never_loads_a_language_model_library():
    code = "import genesem_train.run, genesem_train.report, genesem_train.semantics"
    assert set(loaded_after(code)) <= {"torch"}


def test_genesem_train_imports_two_modules_of_its_sibling(root):
    imported = set()
    for path in (root / "packages/genesem-train/src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("genesem_embed"):
                imported.add(node.module)
            if isinstance(node, ast.Import):
                imported |= {name.name for name in node.names if name.name.startswith("genesem_embed")}
    assert imported == {"genesem_embed.datasets", "genesem_embed.store"}


@pytest.mark.parametrize("module", ["genesem_embed", "genesem_train"])
def test_help_loads_nothing_slow(module):
    code = (
        f"import sys, contextlib; sys.argv = ['x', '--help']\nfrom {module}.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main()"
    )
    assert loaded_after(code, SLOW_TO_LOAD) == []


def test_a_fully_cached_build_loads_no_torch(demo_slide, tmp_path):
    demo_slide[::100].copy().write_h5ad(tmp_path / "few.h5ad")
    arguments = ["build", "--dataset", str(tmp_path / "few.h5ad"), "--store", str(tmp_path / "s"), "--model", "minilm"]
    code = (
        f"import sys, contextlib; sys.argv = ['genesem-embed', *{arguments}]\nfrom genesem_embed.cli import main\n"
        "with contextlib.suppress(SystemExit):\n    main()"
    )
    assert "torch" in loaded_after(code)
    assert loaded_after(code) == []
