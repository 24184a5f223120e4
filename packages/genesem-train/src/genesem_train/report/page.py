"""One self-contained page: figures and style inside the file, no script, nothing fetched."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w
from jinja2 import Environment, StrictUndefined

from genesem_train.report.figures.canvas import DPI
from genesem_train.report.versions import versions

CSS_DPI = 96


@dataclass(frozen=True, kw_only=True)
class Table:
    """Column names with their meaning, and rows of a name, a kind (a CSS class) and one text a column."""

    columns: Sequence[tuple[str, str]]
    rows: Sequence[tuple[str, str, Sequence[str]]]


@dataclass(frozen=True, kw_only=True)
class PageFigure:
    """A PNG on disk with its words."""

    path: Path
    title: str
    caption: str


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows, in its order: scores, notes, figures, tables, facts, settings."""

    title: str
    subtitle: str
    scores: Table
    notes: Sequence[str]
    figures: Sequence[PageFigure]
    facts: Mapping[str, Mapping[str, str]]
    """Sections of facts: heading, then label by label."""
    config: Mapping[str, Any]
    tables: Mapping[str, Table] = field(default_factory=dict)


def write_page(page: Page, path: Path) -> Path:
    """Write the page to `path` and return it."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_data("report.html.j2"))
    text = template.render(
        page=page,
        style=_data("report.css"),
        figures=[_embedded(figure) for figure in page.figures],
        config=tomli_w.dumps(dict(page.config)),
        versions=versions(),
    )
    path.write_text(text, "utf-8")
    return path


def _data(name: str) -> str:
    return (resources.files("genesem_train.report") / name).read_text("utf-8")


def _embedded(figure: PageFigure) -> dict[str, str | int]:
    content = figure.path.read_bytes()
    # bytes 16 to 20 of a PNG are its width; shown at the size it was designed for, all figures have one type size
    width = int.from_bytes(content[16:20], "big") * CSS_DPI // DPI
    return {
        "name": figure.path.stem,
        "title": figure.title,
        "caption": figure.caption,
        "width": width,
        "source": f"data:image/png;base64,{base64.b64encode(content).decode('ascii')}",
    }
