import pytest

from genesem_embed.errors import InputError


def test_the_views_can_be_joined(filled, maker):
    tables = "vectors JOIN texts USING (key) JOIN spaces ON space = spaces.id"
    sql = f"SELECT text, n_tokens FROM {tables} WHERE model = 'tiny' AND text LIKE '%100'"
    found = filled.query(sql).to_pylist()
    assert found == [{"text": "text number 100", "n_tokens": 1}]
    assert filled.query("SELECT count(*) AS n FROM vectors").to_pylist() == [{"n": 81}]
    assert filled.query("SELECT slide, n FROM collections").to_pylist() == [{"slide": "demo", "n": 62}]


def test_an_empty_store_has_empty_views(store):
    for view in ("vectors", "texts", "spaces", "collections", "segments"):
        assert store.query(f"FROM {view}").num_rows == 0


HOSTILE = [
    "DROP TABLE rows",
    "DELETE FROM rows",
    "CREATE TABLE x AS SELECT 1",
    "ATTACH 'x.duckdb'",
    "COPY (SELECT 1) TO 'x.csv'",
    "INSTALL httpfs",
    "SET enable_external_access = true",
    "PRAGMA database_list",
    "SELECT 1; SELECT 2",
    "",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM read_parquet('http://127.0.0.1/x')",
    "SELECT nonsense FROM vectors",
    "SELEKT",
]


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: sql[:25] or "nothing")
def test_anything_but_one_harmless_select_is_refused_in_one_line(filled, sql):
    before = sorted(filled.root.rglob("*.*"))
    with pytest.raises(InputError) as caught:
        filled.query(sql)
    assert "\n" not in str(caught.value)
    assert filled.query("SELECT count(*) AS n FROM vectors").to_pylist() == [{"n": 81}]
    assert set(before) <= set(filled.root.rglob("*.*"))
