import pandas as pd
import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts.gene_table import COLUMNS, read_gene_table


@pytest.mark.parametrize("name", ["genes.parquet", "genes.csv", "genes.tsv", "genes.csv.gz", "genes.tsv.gz"])
def test_formats_give_the_same_table(gene_table, tmp_path, name):
    path = tmp_path / name
    if name.endswith("parquet"):
        gene_table.to_parquet(path)
    else:
        gene_table.to_csv(path, sep="\t" if ".tsv" in name else ",", index=False)
    pd.testing.assert_frame_equal(read_gene_table(path), gene_table)


def test_missing_columns_and_values_become_empty(tmp_path):
    pd.DataFrame({"symbol": ["A", "B"], "summary": ["two\n lines", None]}).to_parquet(tmp_path / "t.parquet")
    table = read_gene_table(tmp_path / "t.parquet")
    assert tuple(table.columns) == COLUMNS
    assert table.to_dict("list") == {
        "tax_id": [0, 0],
        "symbol": ["A", "B"],
        "synonyms": ["", ""],
        "description": ["", ""],
        "summary": ["two lines", ""],
    }


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", None, "no gene table at"),
        ("genes.xlsx", b"x", "is no gene table; expected a folder"),
        ("genes.parquet", b"not parquet", "cannot be read"),
        ("genes.csv", b"gene,text\nA,b\n", "has the columns gene, text; expected symbol"),
        ("empty.csv", b"", "cannot be read"),
    ],
    ids=["missing", "format", "broken", "columns", "empty"],
)
def test_bad_tables_are_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_gene_table(tmp_path / name)
