"""One self-contained page: figures and style inside the file, no script, nothing fetched."""

import base64
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import tomli_w
from jinja2 import Environment, StrictUndefined

from genesem_train.report.facts import identity, notes, slide_facts, versions
from genesem_train.report.figures import FIGURES
from genesem_train.report.figures.canvas import DPI
from genesem_train.report.inputs import ReportInput
from genesem_train.report.scores import score_table

CSS_DPI = 96


def write_html(inputs: ReportInput, figures: Sequence[Path], path: Path) -> Path:
    """Write the page to `path` and return it; `figures` are files that `write_figures` made."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_data("report.html.j2"))
    page = template.render(
        title=inputs.name,
        method=inputs.metrics.get("method", "domains"),
        style=_data("report.css"),
        table=score_table(inputs.metrics),
        facts=slide_facts(inputs),
        identity=identity(inputs),
        notes=notes(inputs),
        figures=[_figure(figure) for figure in figures],
        config=tomli_w.dumps(dict(inputs.config)),
        versions=versions(),
    )
    path.write_text(page, "utf-8")
    return path


def _data(name: str) -> str:
    return (resources.files("genesem_train.report") / name).read_text("utf-8")


def _figure(path: Path) -> dict[str, str | int]:
    known = FIGURES.get(path.stem)
    content = path.read_bytes()
    # bytes 16 to 20 of a PNG are its width; shown at the size it was designed for, all figures have one type size
    width = int.from_bytes(content[16:20], "big") * CSS_DPI // DPI
    image = base64.b64encode(content).decode("ascii")
    return {
        "name": path.stem,
        "title": known.title if known else path.stem,
        "caption": known.caption if known else "",
        "width": width,
        "source": f"data:image/png;base64,{image}",
    }
