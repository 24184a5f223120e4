from genesem_embed.texts.gene_texts import best_organism, find_texts


def sources(found):
    return {name: (gene.text, gene.source) for name, gene in found.items()}


def test_summary_before_description(gene_table):
    found = find_texts(["RELN", "MBP", "PCP4", "SNAP25", "NOPE"], gene_table, tax_id=9606)
    assert sources(found) == {
        "RELN": ("Guides migrating neurons.", "summary"),
        "MBP": ("Compacts myelin.", "summary"),
        "PCP4": ("Purkinje cell protein 4", "description"),
    }


def test_human_orthologue_only_when_asked_and_only_without_a_summary(gene_table):
    assert sources(find_texts(["Reln", "Mbp"], gene_table, tax_id=10090)) == {
        "Reln": ("reelin", "description"),
        "Mbp": ("Mouse summary.", "summary"),
    }
    assert sources(find_texts(["Reln", "Mbp"], gene_table, tax_id=10090, orthologues=True)) == {
        "Reln": ("Guides migrating neurons.", "orthologue-summary"),
        "Mbp": ("Mouse summary.", "summary"),
    }


def test_old_names_count_when_they_mean_one_gene(gene_table):
    found = find_texts(["LIS2", "RL", "Old1"], gene_table, tax_id=9606)
    assert sources(found) == {"LIS2": ("Guides migrating neurons.", "synonym-summary")}


def test_a_table_without_organisms_serves_any(gene_table):
    table = gene_table.assign(tax_id=0)
    assert set(find_texts(["Gm1", "MBP"], table, tax_id=10090)) == {"Gm1", "MBP"}


def test_best_organism_is_the_one_whose_symbols_fit(gene_table):
    assert best_organism(["Mbp", "Reln", "MBP"], gene_table) == 10090
    assert best_organism(["MBP"], gene_table) == 9606
    assert best_organism(["nothing"], gene_table) == 9606
