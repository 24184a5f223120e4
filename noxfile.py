"""The project's one way to run anything: `nox -l` lists the sessions, CI calls the same ones."""

import os
import re
import shutil
import tomllib
from pathlib import Path

import nox

nox.options.default_venv_backend = "venv"
nox.options.sessions = ["lint", "types", "contracts", "tests"]

EMBED = "packages/genesem-embed"
TRAIN = "packages/genesem-train"
BOTH = ("-e", f"{EMBED}[offline]", "-e", TRAIN)
TESTING = (
    *("-e", f"{EMBED}[offline,share,sign,ray,tune,clinical]", "-e", TRAIN),
    *("beartype", "hypothesis", "moto[server]", "playwright", "psutil", "pytest", "pytest-xdist"),
)
OLDEST_TESTS = (
    *(f"tests/embed/{part}" for part in ("store/test_store.py", "datasets/test_preprocess.py", "test_build.py")),
    *(f"tests/embed/encoders/{part}" for part in ("test_exactness.py", "test_models.py")),
    *(
        f"tests/train/{part}"
        for part in ("graphs", "losses", "models", "report", "training/test_fit.py", "test_run.py")
    ),
    # transformers 4 gives BERT no choice of attention: such models run padded there, with the same vectors.
    "--deselect=tests/embed/encoders/test_exactness.py::test_the_packed_way_is_taken",
)
# One thread a process: the suite runs two processes, and a fixed count keeps sums the same from run to run.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "NUMBA_NUM_THREADS": "1"}


def install(session: nox.Session, *what: str) -> None:
    session.install("-q", "-c", "constraints.txt", *what)


@nox.session
def demo(session: nox.Session) -> None:
    """Build the store of the demo slide with the bundled encoder, fit SemST, print the scores and the report."""
    install(session, *BOTH)
    session.run("genesem-embed", "build", "--dataset", "demo", "--model", "minilm", "--top-genes", "10")
    session.run("genesem-train", "fit", "--dataset", "demo", "--preset", "demo", "--out", "results/demo")


@nox.session
def tests(session: nox.Session) -> None:
    """Run every test that needs neither minutes nor a GPU; arguments after -- go to pytest."""
    install(session, *TESTING)
    session.run("pytest", "-n", "2", "--dist", "loadfile", "-m", "not slow", *session.posargs, env=ONE_THREAD)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests that take minutes."""
    install(session, *TESTING)
    session.run("pytest", "-m", "slow", *session.posargs, env=ONE_THREAD)


@nox.session
def crash(session: nox.Session) -> None:
    """Kill builds, merges, pulls and compactions 200 times at random moments; nothing published may be lost."""
    install(session, *TESTING)
    session.run("pytest", "tests/embed/store/test_crash.py", "-m", "slow", *session.posargs, env=ONE_THREAD)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and format with ruff."""
    install(session, "ruff")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of both packages with mypy, strictly."""
    install(session, "mypy", "pandas-stubs", *TESTING)
    session.run("mypy")


@nox.session
def contracts(session: nox.Session) -> None:
    """Check who imports whom, which names are public, and that the versions agree."""
    install(session, "import-linter", *TESTING)
    session.run("lint-imports")
    session.run("pytest", "tests/contracts")


@nox.session
def bare(session: nox.Session) -> None:
    """Prove that genesem-train works where no language-model package is installed."""
    install(session, "-e", EMBED, "-e", TRAIN, "pytest", "hypothesis", "beartype")
    for package in ("transformers", "accelerate", "bitsandbytes"):
        code = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({package!r}) is not None)"
        session.run("python", "-c", code)
    session.run("pytest", "tests/train/test_run.py", "-k", "without_a_language_model", env=ONE_THREAD)


@nox.session
def doctest(session: nox.Session) -> None:
    """Run the examples of the docstrings."""
    install(session, *TESTING)
    session.run("pytest", "--doctest-modules", f"{EMBED}/src", f"{TRAIN}/src", *session.posargs, env=ONE_THREAD)


@nox.session
def minimums(session: nox.Session) -> None:
    """Run a part of the tests with the oldest release series that the packages declare, outside constraints.txt."""
    session.install("-q", *BOTH, *oldest(), "pytest", "hypothesis", "beartype", "psutil")
    # Old releases beside new ones of what they import warn of much that is no fault here.
    session.run("pytest", "-W", "default", *OLDEST_TESTS, *session.posargs, env=ONE_THREAD)


def oldest() -> list[str]:
    """Return the lower bound of every dependency as a requirement: numpy>=1.26 becomes numpy==1.26.*."""
    found: dict[str, tuple[int, ...]] = {}
    for package in (EMBED, TRAIN):
        project = tomllib.loads(Path(package, "pyproject.toml").read_text("utf-8"))["project"]
        extras = project.get("optional-dependencies", {})
        for line in [*project["dependencies"], *extras.get("llm", ())]:
            if bound := re.fullmatch(r"([\w-]+)>=([\d.]+)", line):
                version = tuple(map(int, bound[2].split(".")))
                found[bound[1]] = max(found.get(bound[1], ()), version)
    return [f"{name}=={'.'.join(map(str, version))}{'' if version[2:] else '.*'}" for name, version in found.items()]


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests under branch coverage and hold the floor."""
    install(session, *TESTING, "pytest-cov")
    session.run("pytest", "-n", "2", "-m", "not slow", "--cov", "--cov-report=term", *session.posargs, env=ONE_THREAD)


@nox.session
def bench(session: nox.Session) -> None:
    """Run the benchmarks; each prints ratios against a named alternative in the same run."""
    install(session, *TESTING)
    session.install("-q", "lancedb", "langchain-classic")  # what the store is measured against
    session.run("pytest", "tests/bench", "-s", "-o", "python_files=bench_*.py", *session.posargs)


@nox.session
def scale(session: nox.Session) -> None:
    """Train on a million spots of 500 genes for a few epochs; needs 20 GB of memory and minutes."""
    install(session, *TESTING)
    session.run("pytest", "tests/bench/train", "-s", "-o", "python_files=scale_*.py", *session.posargs)


@nox.session
def results(session: nox.Session) -> None:
    """Remake the table of docs/results.md; arguments: the folder of the slides, --out, --slides, --methods, --jobs."""
    install(session, *BOTH)
    session.run("python", "tests/bench/results_table.py", *session.posargs, env=ONE_THREAD)


@nox.session
def halves(session: nox.Session) -> None:
    """Compare mode improved with smoothing on halves of the genes; arguments: the slides' folder, --draws, --slack."""
    install(session, *BOTH)
    session.run("python", "tests/bench/gene_halves.py", *session.posargs, env=ONE_THREAD)


@nox.session
def simulated(session: nox.Session) -> None:
    """Compare both on slides of known domains; arguments: seeds, --tissues, --rearranged, --slack."""
    install(session, *BOTH)
    session.run("python", "tests/bench/simulated.py", *session.posargs, env=ONE_THREAD)


@nox.session
def gpu(session: nox.Session) -> None:
    """Run the tests that need a CUDA device, or say why not."""
    if shutil.which("nvidia-smi") is None and not Path("/dev/nvidia0").exists():
        session.skip("no NVIDIA driver on this machine (nvidia-smi not found, no /dev/nvidia0)")
    install(session, *TESTING)
    session.run("pytest", "tests/gpu", "-m", "gpu", *session.posargs, env=dict(os.environ))
