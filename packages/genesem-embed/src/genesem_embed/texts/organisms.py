"""Organisms by name and by NCBI taxonomy number."""

from anndata import AnnData

from genesem_embed.errors import InputError

HUMAN = 9606
_TAXONOMY = {
    "human": HUMAN,
    "homo sapiens": HUMAN,
    "mouse": 10090,
    "mus musculus": 10090,
    "rat": 10116,
    "rattus norvegicus": 10116,
    "zebrafish": 7955,
    "danio rerio": 7955,
}
KNOWN_ORGANISMS = frozenset(_TAXONOMY.values())


def taxonomy_id(organism: str) -> int:
    """Return the NCBI taxonomy number of a common name, a Latin name or the number itself.

    Raises
    ------
    InputError
        The name is not known.
    """
    name = organism.strip().lower()
    if name.isdecimal():
        return int(name)
    if name not in _TAXONOMY:
        msg = f"unknown organism {organism!r}; known are {', '.join(_TAXONOMY)}: use one, or its NCBI taxonomy number"
        raise InputError(msg)
    return _TAXONOMY[name]


def slide_organism(slide: AnnData) -> str | None:
    """Return what the slide says of its organism, or None."""
    stated = slide.uns.get("genesem", {}).get("organism") or slide.uns.get("organism")
    return str(stated) if stated else None
