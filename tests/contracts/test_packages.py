"""The promises between the two packages: versions, public names, help with an example for each command."""

import importlib
import pkgutil
import tomllib

import pytest
import typer.main

PACKAGES = {"genesem_embed": "genesem-embed", "genesem_train": "genesem-train"}


def project(root, name):
    return tomllib.loads((root / "packages" / name / "pyproject.toml").read_text("utf-8"))["project"]


def test_versions_are_equal_and_the_sibling_is_pinned(root):
    embed, train = (project(root, name) for name in PACKAGES.values())
    assert embed["version"] == train["version"]
    assert f"genesem-embed=={embed['version']}" in train["dependencies"]
    for module, name in PACKAGES.items():
        assert importlib.import_module(module).__version__ == project(root, name)["version"]


def test_base_dependencies_hold_no_language_model_library(root):
    for name in PACKAGES.values():
        names = {line.split(">")[0].split("=")[0].split("[")[0] for line in project(root, name)["dependencies"]}
        assert names.isdisjoint({"transformers", "accelerate", "bitsandbytes", "sentence-transformers"})
    assert not any(line.startswith("torch") for line in project(root, "genesem-embed")["dependencies"])


@pytest.mark.parametrize("name", PACKAGES)
def test_every_public_name_exists(name):
    package = importlib.import_module(name)
    for info in pkgutil.walk_packages(package.__path__, f"{name}."):
        module = importlib.import_module(info.name)
        for public in getattr(module, "__all__", ()):
            assert hasattr(module, public), f"{info.name}.__all__ names {public}"


def commands(module):
    """Return every leaf command of a command line with its path."""
    found = []

    def walk(command, path):
        for name, child in getattr(command, "commands", {}).items():
            walk(child, (*path, name))
        if not hasattr(command, "commands"):
            found.append((path, command))

    walk(typer.main.get_command(importlib.import_module(f"{module}.cli").app), ())
    return found


@pytest.mark.parametrize(("module", "program"), PACKAGES.items())
def test_every_command_has_help_and_an_example_of_itself(module, program):
    found = commands(module)
    assert found
    for path, command in found:
        assert command.help, path
        assert f"{program} {' '.join(path)}" in (command.epilog or ""), path
