"""What `genesem-embed build` tells of what it did."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genesem_embed.build import BuildReport


def planned_lines(report: "BuildReport") -> list[str]:
    """Return what a dry run found."""
    return [
        f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored",
        f"to encode: {report.n_left} texts, {report.n_tokens_left} tokens (dry run, nothing written)",
        *_warned(report),
    ]


def built_lines(report: "BuildReport", place: str) -> list[str]:
    """Return what was built into the store at `place`, and how."""
    told = f"{report.dataset}: {report.n_ids} texts, {report.n_unique} unique, {report.n_stored} already stored"
    if report.n_encoded:
        told += f", {report.n_encoded} encoded in {report.seconds:.1f} s"
    if report.n_elsewhere:
        told += f", {report.n_elsewhere} published by another build meanwhile"
    if not report.encoder:
        told += ", nothing to encode (no language model was loaded)"
    head = [told, *_how(report.encoder), *_warned(report)]
    if report.collection is None:
        return [*head, f"{report.n_left} texts left: run again without --limit to finish the collection"]
    return [*head, f"collection {report.collection} @ {str(report.digest)[:12]} in {place}, space {report.space[:12]}"]


def _how(encoder: Mapping[str, object]) -> list[str]:
    """Return how the vectors were computed, as far as the encoder tells."""
    names = {
        "attention": "attention {}",
        "products": "products by {}",
        "batch_tokens": "{} tokens a batch",
        "writers": "segments written by the {}",
        "actors_lost": "{} actors lost",
    }
    told = [words.format(encoder[name]) for name, words in names.items() if name in encoder]
    lines = ["encoded on " + ", ".join([str(encoder["device"]), *told])] if encoder else []
    if encoder.get("memory_ran_out"):
        lines.append(
            f"note: memory ran out; later runs begin with {encoder['batch_tokens']} tokens a batch "
            "(--batch-tokens sets another number)"
        )
    return lines


def _warned(report: "BuildReport") -> list[str]:
    said = report.notes.get("warnings", [])
    return [f"note: {line}" for line in said] if isinstance(said, list) else []
