"""The page about the format is right: its reader, which uses neither package, gets the same vectors."""

import re
from pathlib import Path

import numpy as np
import pytest

DOC = Path(__file__).parents[3] / "docs" / "store-format.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", DOC.read_text(), re.DOTALL)


def test_the_reader_of_the_page_gets_the_same_vectors(filled, maker):
    for seed in (1, 2, 3):
        maker.publish(filled, maker.texts(*range(20, 50)), seed)
    (source,) = blocks("python")
    assert "genesem" not in source
    assert len([line for line in source.splitlines() if line.strip()]) < 30
    names = {}
    exec(compile(source, str(DOC), "exec"), names)
    ids, vectors = names["read_collection"](filled.root, "demo.spot-symbols")
    assert ids == filled.ids("demo.spot-symbols")
    np.testing.assert_array_equal(vectors, filled.matrix("demo.spot-symbols"))


@pytest.mark.parametrize("statement", [line for block in blocks("sql") for line in block.splitlines()])
def test_the_queries_of_the_page_run(filled, statement):
    assert filled.query(statement).num_rows > 0


def test_the_columns_of_the_page_are_those_of_the_views(filled):
    table = re.findall(r"^\| `(\w+)` \| (.*?) \|", DOC.read_text(), re.MULTILINE)
    assert len(table) == 5
    for view, columns in table:
        expected = re.sub(r" \(.*?\)", "", columns).split(", ")
        assert filled.query(f"FROM {view} LIMIT 1").column_names == expected


def test_the_tree_of_the_page_is_what_is_written(filled):
    tree = blocks("text")[0]
    for path in filled.root.rglob("*"):
        if path.is_file():
            assert path.suffix in tree
            assert path.relative_to(filled.root).parts[0] in tree
