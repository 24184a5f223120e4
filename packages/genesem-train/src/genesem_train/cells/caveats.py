"""What a reader must know to read the scores of a run rightly."""

from genesem_train.cells.cohort import UNKNOWN
from genesem_train.cells.config import CellsConfig
from genesem_train.cells.plan import Plan


def describe_run(config: CellsConfig, plan: Plan, plain_command: str) -> list[str]:
    """Return what a reader must know to read the scores rightly.

    Parameters
    ----------
    plain_command
        The build that would store plain sentences, named where there are none.
    """
    cohort, said = plan.cohort, []
    if plan.plain is None:
        said.append(f"Whether context helps is not known: no plain sentences are stored. To know, run: {plain_command}")
    if config.sample:
        said.append(
            f"{len(cohort.ids):,} cells drawn at random (seed {config.split_seed}) were learnt from and tested; their "
            "neighbours come from all cells."
        )
    if plan.chosen.info(0).space.adapter_sha256:
        said.append(
            "The vectors come from a model that was tuned on labels: the scores are honest only if no test cell was "
            "among the examples it was tuned on (one adapter a fold, by `genesem-embed examples --cells fold=N`)."
        )
    if not config.status_key:
        said.append("No clinical status was named, so only cell types were learnt.")
    elif unknown := int((cohort.patient_status < 0).sum()):
        said.append(f"{unknown} patients have no status: their cells teach and test cell types only.")
    if config.split != "patient":
        said.append(
            f"The split is by {config.split}: a patient may stand on both sides, and status scores mean little."
        )
    if small := int((cohort.image_sizes <= config.neighbours).sum()):
        said.append(
            f"{small} images have no more than {config.neighbours} cells; their neighbour means use what is there."
        )
    said += _unseen_types(plan)
    warned = plan.chosen.info(0).notes.get("warnings") or []
    return said + [str(words) for words in warned]


def _unseen_types(plan: Plan) -> list[str]:
    types = plan.cohort.types
    absent = [set(types[fold.test]) - set(types[fold.train]) - {UNKNOWN} for fold in plan.folds]
    if not any(absent):
        return []
    names = sorted({plan.cohort.type_names[code] for codes in absent for code in codes})
    n_folds = sum(map(bool, absent))
    return [f"{n_folds} folds test types that their training part lacks ({', '.join(names[:5])}): always wrong."]
