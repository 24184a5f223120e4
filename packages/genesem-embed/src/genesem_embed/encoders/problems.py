"""Texts that cannot be encoded: set aside while the others go on, told together at the end."""

from genesem_embed.errors import EncodingError

_SHOWN = 3
_WORDS = 6


class Problems:
    """Collects the texts that failed and why."""

    def __init__(self) -> None:
        self._found: list[str] = []

    def add(self, row: int, text: str, why: str) -> None:
        """Set the text at `row` aside."""
        self._found.append(f"text {row} ({first_words(text)}) {why}")

    def raise_if_any(self) -> None:
        """Raise one error for all that was found."""
        if not self._found:
            return
        shown = "; ".join(self._found[:_SHOWN])
        rest = f"; and {len(self._found) - _SHOWN} more" if len(self._found) > _SHOWN else ""
        msg = (
            f"{len(self._found)} texts could not be encoded, all others were: {shown}{rest}. "
            "Shorten them (fewer --top-genes, --truncate end) or use a model with a higher limit or precision"
        )
        raise EncodingError(msg)


def first_words(text: str) -> str:
    """Return the beginning of `text` in quotes, to show which one is meant."""
    words = text.split(maxsplit=_WORDS)
    return repr(" ".join(words[:_WORDS])[:60] + (" ..." if len(words) > _WORDS else ""))
