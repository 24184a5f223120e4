"""The rows of an ablation side by side: mean, sd and paired difference, as CSV, as markdown and as one figure."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from genesem_train.outputs import write_metrics
from genesem_train.report.figures.canvas import plain_style, save
from genesem_train.report.figures.classes import MethodScore, draw_methods
from genesem_train.report.scores import SCORES
from genesem_train.scores.intervals import Interval, mean_and_sd, mean_difference
from genesem_train.scores.summary import shared_scores

Rows = Mapping[str, Mapping[str, Any]]


def compare(rows: Rows, reference: str) -> dict[str, dict[str, Any]]:
    """Return the rows with mean and sd over seeds, and their differences from the row `reference`, seed by seed."""
    others = {scores["seed"]: scores for scores in rows[reference]["seeds"]}
    compared = {}
    for name, row in rows.items():
        seeds = shared_scores([{n: v for n, v in one.items() if n != "seed"} for one in row["seeds"]])
        mean, sd = mean_and_sd(seeds)
        gaps = {
            score: mean_difference([one[score] for one in seeds], [others[one["seed"]][score] for one in row["seeds"]])
            for score in mean
            if name != reference and all(score in one for one in others.values())
        }
        difference = {score: asdict(gap) for score, gap in gaps.items() if gap is not None}
        compared[name] = {**row, "mean": mean, "sd": sd, "difference": difference}
    return compared


def write_tables(result: Mapping[str, Any], out: Path) -> None:
    """Write `ablations.json`, `.csv`, `.md` and `.png` to `out`."""
    out.mkdir(parents=True, exist_ok=True)
    write_metrics(out / "ablations.json", result)
    flat_table(result["rows"]).to_csv(out / "ablations.csv", index=False)
    (out / "ablations.md").write_text("\n".join([*markdown_table(result), "", *notes(result), ""]), "utf-8")
    with plain_style():
        save(draw_ablations(result), out / "ablations.png")


def flat_table(rows: Rows) -> pd.DataFrame:
    """Return one line a variant: each score's mean, sd, difference and the ends of its interval, and the agreement."""
    lines = []
    for name, row in rows.items():
        line: dict[str, Any] = {"variant": name, "table": row["table"], "n_seeds": len(row["seeds"])}
        for score, mean in row["mean"].items():
            line |= {score: mean, f"{score}_sd": row["sd"].get(score)}
            gap = row["difference"].get(score, {})
            line |= {f"{score}_{part}": gap.get(key) for part, key in CHANGE.items()}
        line |= {f"consensus_{score}": value for score, value in row.get("consensus", {}).items()}
        lines.append({**line, "agreement": row.get("agreement")})
    return pd.DataFrame(lines)


CHANGE = {"change": "value", "change_low": "low", "change_high": "high"}


def markdown_table(result: Mapping[str, Any]) -> list[str]:
    """Return the table as lines of markdown, baselines last."""
    shown = [score for score in SCORES if score in next(iter(result["rows"].values()))["mean"]][:3]
    titles = [part for score in shown for part in (SCORES[score][0], "to none")]
    head = ["variant", *titles, *(["consensus ARI"] if result["labels"] else []), "agreement of seeds"]
    lines = ["| " + " | ".join(head) + " |", "|---" + "|---:" * (len(head) - 1) + "|"]
    for name, row in result["rows"].items():
        cells = [part for score in shown for part in (_mean_cell(row, score), _gap_cell(row, score))]
        if result["labels"]:
            cells.append(f"{row['consensus']['ari']:.1f}")
        cells.append(f"{row['agreement']:.1f}" if "agreement" in row else "")
        lines.append("| " + " | ".join([name, *cells]) + " |")
    for name, scores in result["baseline"].items():
        cells = [part for score in shown for part in (_mean_cell(scores, score), "")]
        cells += [f"{scores['ari']:.1f}"] if result["labels"] else []
        lines.append("| " + " | ".join([f"baseline {name}", *cells, ""]) + " |")
    return lines


def terminal_lines(result: Mapping[str, Any]) -> list[str]:
    """Return the table in columns of equal width, the notes, and the builds to run."""
    cells = [line.strip("| ").split(" | ") for line in markdown_table(result) if not line.startswith("|---")]
    widths = [max(len(row[place].strip()) for row in cells if place < len(row)) for place in range(len(cells[0]))]
    lines = [
        "  ".join(cell.strip().ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in cells
    ]
    return [*lines, "", *notes(result)]


def notes(result: Mapping[str, Any]) -> list[str]:
    """Return how the numbers came about and what is missing."""
    said = [
        f"{result['dataset']}: {result['n_spots']} spots, {result['n_domains']} domains, {result['n_seeds']} seeds, "
        f"{result['epochs']} epochs, preset {result['preset']}, mode {result['mode']}. Mean ± sd over seeds; in "
        "brackets the 95 % bootstrap interval of the mean difference to none, seed by seed."
    ]
    if not result["labels"]:
        said.append(
            "No column of labels was named: these scores need none. They say how tidy domains are and how far seeds "
            "agree (mean ARI x 100 of two seeds), not whether domains are right."
        )
    if result["n_seeds"] < 5:
        said.append("An interval over fewer than 5 seeds is too narrow: take more with --seeds before concluding.")
    if result["missing"]:
        said += ["Not stored; to add a variant, run its build and this command again:"]
        said += [f"{name}: {command}" for name, command in result["missing"].items()]
    return said


def draw_ablations(result: Mapping[str, Any]) -> Figure:
    """Return one panel a score: each variant's difference from `none` with its interval, or its mean for one seed."""
    rows = {name: row for name, row in result["rows"].items() if row["difference"]}
    if not rows:
        means = result["rows"]
        return draw_methods(
            {SCORES[s][0]: {n: _flat(row["mean"][s]) for n, row in means.items()} for s in _scores(result["rows"])},
            own="none",
            unit="one seed: no interval",
        )
    panels: dict[str, dict[str, MethodScore]] = {}
    for score in _scores(rows):
        gaps = {name: Interval(**row["difference"][score]) for name, row in rows.items()}
        panels[SCORES[score][0]] = {name: (gap.value, gap.low, gap.high) for name, gap in gaps.items()}
    unit = f"to none, 95 % over {result['n_seeds']} seeds"
    return draw_methods(panels, own="as configured", unit=unit, zero=True)


def _scores(rows: Rows) -> list[str]:
    """Return the scores that all rows have, at most three."""
    key = "difference" if all(row["difference"] for row in rows.values()) else "mean"
    return [score for score in SCORES if all(score in row[key] for row in rows.values())][:3]


def _mean_cell(row: Mapping[str, Any], score: str) -> str:
    text = _number(row["mean"], score)
    return f"{text} ± {row['sd'][score]:.{SCORES[score][2]}f}" if score in row["sd"] and text else text


def _gap_cell(row: Mapping[str, Any], score: str) -> str:
    if score not in row["difference"]:
        return ""
    gap, digits = row["difference"][score], SCORES[score][2]
    return f"{gap['value']:+.{digits}f} [{gap['low']:+.{digits}f}, {gap['high']:+.{digits}f}]"


def _number(scores: Mapping[str, float], score: str) -> str:
    return f"{scores[score]:.{SCORES[score][2]}f}" if score in scores else ""


def _flat(value: float) -> MethodScore:
    return value, value, value
