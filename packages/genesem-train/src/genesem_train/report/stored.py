"""A report's values inside `result.h5ad`, so that figures and page can be made again without a fit."""

import json
import shutil
import tomllib
import uuid
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd

from genesem_train.errors import ConfigError
from genesem_train.markers import Markers
from genesem_train.recorded import load_record
from genesem_train.report.figures import write_figures
from genesem_train.report.html import write_html
from genesem_train.report.inputs import ReportInput

UNS = "genesem_report"
RESULT = "result.h5ad"


def stored_values(inputs: ReportInput) -> dict[str, Any]:
    """Return what `obs`, `obsm` and `metrics.json` do not hold, as arrays and texts that h5ad can."""
    found: dict[str, Any] = {
        "coords": np.asarray(inputs.coords),
        "order": json.dumps(_order(inputs)),
        "seed_domains": {str(seed): domains for seed, domains in inputs.seed_domains.items()},
        "losses": {
            str(seed): {term: np.asarray(values, dtype=np.float64) for term, values in curves.items()}
            for seed, curves in inputs.losses.items()
        },
        "baselines": dict(inputs.baselines),
        "slides": dict(inputs.slides),
        "facts": json.dumps({name: str(value) for name, value in inputs.facts.items()}),
    }
    found |= {name: part for name in ("alpha", "beta", "confidence") if (part := getattr(inputs, name)) is not None}
    if inputs.annotation is not None:
        names = [str(name) for name in inputs.annotation.categories]
        found["annotation"] = {"codes": np.asarray(inputs.annotation.codes, dtype=np.int64), "names": json.dumps(names)}
    if inputs.markers is not None:
        markers = inputs.markers
        found["markers"] = {
            "table": markers.table.to_json(orient="split", double_precision=15),
            "genes": json.dumps(markers.genes),
            "mean": markers.mean,
            "share": markers.share,
            "test": markers.test,
        }
    return found


def stored_inputs(folder: Path) -> ReportInput:
    """Return what the report of the result in `folder` is drawn from.

    Raises
    ------
    ConfigError
        When the folder holds no result of spatial domains, or one that does not keep these values.
    """
    missing = [name for name in (RESULT, "metrics.json", "config.toml") if not (folder / name).exists()]
    if missing:
        msg = f"{folder} has no {', '.join(missing)}; expected the --out folder of a finished fit or prediction"
        raise ConfigError(msg)
    slide = ad.read_h5ad(folder / RESULT)
    if UNS not in slide.uns:
        msg = f"{folder / RESULT} does not keep what a report is drawn from; expected a result of domains: fit again"
        raise ConfigError(msg)
    kept = slide.uns[UNS]
    order = json.loads(kept["order"])
    metrics = load_record(folder / "metrics.json")
    return ReportInput(
        name=metrics["dataset"],
        coords=kept["coords"],
        domains=slide.obs["domain"].astype(int).to_numpy(),
        latent=slide.obsm["X_genesem"],
        metrics=metrics,
        config=tomllib.loads((folder / "config.toml").read_text("utf-8")),
        annotation=_annotation(kept),
        confidence=kept.get("confidence"),
        seed_domains={int(seed): kept["seed_domains"][seed] for seed in order["seed_domains"]},
        losses={
            int(seed): {term: kept["losses"][seed][term] for term in terms} for seed, terms in order["losses"].items()
        },
        alpha=kept.get("alpha"),
        beta=kept.get("beta"),
        baselines={name: kept["baselines"][name] for name in order["baselines"]},
        slides={name: kept["slides"][name] for name in order["slides"]},
        markers=_markers(kept),
        facts=json.loads(kept["facts"]),
    )


def remake_report(folder: Path) -> Path:
    """Make figures and page of the result in `folder` again, and return the page; the old ones stay until then.

    Raises
    ------
    ConfigError
        When the folder holds nothing that a report can be made of.
    """
    inputs = stored_inputs(folder)
    fresh = folder / f".report.{uuid.uuid4().hex[:12]}"
    try:
        figures = write_figures(inputs, fresh / "figures")
        write_html(inputs, figures, fresh / "report.html")
        shutil.rmtree(folder / "figures", ignore_errors=True)
        (fresh / "figures").rename(folder / "figures")
        (fresh / "report.html").replace(folder / "report.html")
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder / "report.html"


def _annotation(kept: dict[str, Any]) -> "pd.Categorical[Any] | None":
    if "annotation" not in kept:
        return None
    return pd.Categorical.from_codes(kept["annotation"]["codes"], json.loads(kept["annotation"]["names"]))


def _markers(kept: dict[str, Any]) -> Markers | None:
    if "markers" not in kept:
        return None
    found = kept["markers"]
    table = pd.DataFrame(**json.loads(found["table"])).astype({"domain": str})
    return Markers(
        table=table,
        genes=json.loads(found["genes"]),
        mean=found["mean"],
        share=found["share"],
        test=str(found["test"]),
    )


def _order(inputs: ReportInput) -> dict[str, Any]:
    """Return the names of what is kept by name, in their order: h5ad gives them back in another."""
    return {
        "seed_domains": [str(seed) for seed in inputs.seed_domains],
        "losses": {str(seed): list(curves) for seed, curves in inputs.losses.items()},
        "baselines": list(inputs.baselines),
        "slides": list(inputs.slides),
    }
