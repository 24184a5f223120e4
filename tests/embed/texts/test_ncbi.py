import gzip

import pytest

from genesem_embed.errors import InputError
from genesem_embed.texts.gene_table import read_gene_table

INFO = (
    "#tax_id\tGeneID\tSymbol\tLocusTag\tSynonyms\tdbXrefs\tchromosome\tmap_location\tdescription\ttype_of_gene\t"
    "Symbol_from_nomenclature_authority\tFull_name_from_nomenclature_authority\tNomenclature_status\t"
    "Other_designations\tModification_date\tFeature_type\n"
)
INFO_ROWS = [
    "9606\t4155\tMBP\t-\t-\tMIM:159430\t18\t18q23\tmyelin basic protein\tprotein-coding\tMBP\t-\tO\t-\t20250101\t-\n",
    '9606\t5649\tRELN\t-\tLIS2|RL\t-\t7\t7q22\treelin "quoted\tprotein-coding\tRELN\t-\tO\t-\t20250101\t-\n',
    "9606\t1\tNEWENTRY\t-\t-\t-\t-\t-\tRecord to support submission\tother\t-\t-\t-\t-\t20250101\t-\n",
    "10090\t17196\tMbp\t-\tshi\t-\t18\t-\t-\tprotein-coding\tMbp\t-\tO\t-\t20250101\t-\n",
    "7227\t5\tNA\t-\t-\t-\t-\t-\ta fly gene\tother\t-\t-\t-\t-\t20250101\t-\n",
]
SUMMARY = "#tax_id\tGeneID\tsource\tsummary\n"
SUMMARY_ROWS = [
    "9606\t4155\tOther\tNot this one.\n",
    "9606\t4155\tRefSeq\tThe protein encoded by the classic MBP gene. [provided by RefSeq, Jul 2008]\n",
]


@pytest.fixture
def ncbi_folder(tmp_path):
    with gzip.open(tmp_path / "gene_info.gz", "wt") as file:
        file.writelines([INFO, *INFO_ROWS])
    with gzip.open(tmp_path / "gene_summary.gz", "wt") as file:
        file.writelines([SUMMARY, *SUMMARY_ROWS])
    return tmp_path


def test_reads_the_wanted_organisms(ncbi_folder):
    table = read_gene_table(ncbi_folder, {9606, 10090}).set_index("symbol")
    assert list(table.index) == ["MBP", "RELN", "Mbp"]
    assert table.loc["MBP", "summary"].startswith("The protein encoded by the classic MBP gene.")
    assert table.loc["RELN"].to_dict() == {
        "tax_id": 9606,
        "synonyms": "LIS2|RL",
        "description": 'reelin "quoted',
        "summary": "",
    }
    assert table.loc["Mbp", "description"] == ""


def test_reads_all_organisms_and_a_gene_called_na(ncbi_folder):
    assert "NA" in set(read_gene_table(ncbi_folder)["symbol"])


def test_unpacked_files_do_as_well(ncbi_folder):
    for name in ("gene_info", "gene_summary"):
        path = ncbi_folder / f"{name}.gz"
        (ncbi_folder / name).write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(read_gene_table(ncbi_folder, {9606})) == 2


def test_a_missing_file_says_where_to_get_it(ncbi_folder):
    (ncbi_folder / "gene_summary.gz").unlink()
    with pytest.raises(
        InputError, match=r"one gene_summary file of NCBI, found none: download https://.*gene_summary.gz"
    ):
        read_gene_table(ncbi_folder)


def test_a_file_with_other_columns_is_refused(ncbi_folder):
    (ncbi_folder / "gene_info.gz").write_bytes(gzip.compress(b"a\tb\n1\t2\n"))
    with pytest.raises(InputError, match="gene_info.gz is not NCBI's file"):
        read_gene_table(ncbi_folder)


def test_a_broken_off_file_is_refused(ncbi_folder):
    path = ncbi_folder / "gene_info.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="gene_info.gz is not NCBI's file"):
        read_gene_table(ncbi_folder)
