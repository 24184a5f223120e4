"""Domains beside the annotation and every baseline, one colour for one domain throughout."""

import numpy as np
from jaxtyping import Int
from matplotlib.figure import Figure

from genesem_train.report.figures.slide_map import domain_maps, placed_maps
from genesem_train.report.inputs import ReportInput
from genesem_train.report.palette import annotation_codes, code_names, match_codes
from genesem_train.report.scores import method_name


def reference_codes(inputs: ReportInput) -> tuple[Int[np.ndarray, " spot"], list[str]]:
    """Return what the colours stand for: the annotation where there is one, else the domains themselves."""
    if inputs.annotation is not None and (inputs.annotation.codes >= 0).any():
        return annotation_codes(inputs.annotation)
    values, codes = np.unique(inputs.domains, return_inverse=True)
    return codes.astype(np.int64), [f"domain {value}" for value in values]


def consensus_codes(inputs: ReportInput) -> tuple[Int[np.ndarray, " spot"], list[str]]:
    """Return the domains in the colours of the reference, and the reference's names."""
    reference, names = reference_codes(inputs)
    return match_codes(reference, inputs.domains, len(names)), names


def domain_names(inputs: ReportInput) -> list[str]:
    """Return what every domain is called outside the maps: its number, and the name that its colour has in them."""
    values, first = np.unique(inputs.domains, return_index=True)
    if inputs.annotation is None:
        return [f"domain {value}" for value in values]
    codes, names = consensus_codes(inputs)
    called = code_names(names, [codes])
    return [f"domain {value} ({called[int(codes[spot])]})" for value, spot in zip(values, first, strict=True)]


def method_title(inputs: ReportInput) -> str:
    """Return how the method's own panel is called."""
    method = method_name(inputs.metrics)
    return f"{method}, consensus of {len(inputs.seed_domains)} seeds" if len(inputs.seed_domains) > 1 else method


def draw_slides(inputs: ReportInput) -> Figure:
    """Return one map a slide, of the domains that were found in all together."""
    codes, names = consensus_codes(inputs)
    own = {slide: inputs.coords[members] for slide, members in inputs.slides.items()}
    panels = {slide: (own[slide] - own[slide].min(axis=0), codes[members]) for slide, members in inputs.slides.items()}
    return placed_maps(panels, code_names(names, [codes]))


def draw_domains(inputs: ReportInput) -> Figure:
    """Return the maps of annotation (where there is one), domains and baselines."""
    reference, names = reference_codes(inputs)
    panels = {"annotation": reference} if inputs.annotation is not None else {}
    panels[method_title(inputs)] = match_codes(reference, inputs.domains, len(names))
    for baseline, domains in inputs.baselines.items():
        panels[f"baseline {baseline}"] = match_codes(reference, domains, len(names))
    return domain_maps(inputs.coords, panels, code_names(names, list(panels.values())))
