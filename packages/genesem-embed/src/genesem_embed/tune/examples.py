"""A table of questions and answers to token ids, of which only those of the answer are learned."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from genesem_embed.encoders.model import Model
from genesem_embed.errors import EncodingError, InputError

_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".parquet": pd.read_parquet,
    ".csv": pd.read_csv,
    ".jsonl": lambda path: pd.read_json(path, lines=True),
}
_COLUMNS = ("model_input", "response")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One question with its answer."""

    ids: npt.NDArray[np.int64]
    n_asked: int
    """Tokens of the question, template included; what follows is the answer and the end of the turn."""


def read_examples(path: Path, model: Model) -> list[Example]:
    """Return the examples in a table; rows whose `split` says test are left out.

    Raises
    ------
    InputError
        The file cannot be read, lacks a column, has no rows, or the model has no chat template.
    EncodingError
        A question with its answer is longer than the model takes.
    """
    if model.space.style != "chat":
        msg = f"{model.name} has no chat template; tuning takes a causal language model such as Qwen/Qwen3-0.6B"
        raise InputError(msg)
    table = _read(path)
    asked = [model.render(None, str(text)) for text in table["model_input"]]
    answers = [f"{text}{model.end_of_turn}" for text in table["response"]]
    question_ids, answer_ids = model.tokenizer.tokenise(asked).ids, model.tokenizer.tokenise(answers).ids
    pairs = list(zip(question_ids, answer_ids, strict=True))
    longest = max(len(question) + len(answer) for question, answer in pairs)
    if longest > model.space.max_tokens:
        msg = f"a text of {path.name} has {longest} tokens with its answer; {model.name} takes {model.space.max_tokens}"
        raise EncodingError(msg)
    return [Example(ids=np.concatenate(pair).astype(np.int64), n_asked=len(pair[0])) for pair in pairs]


def _read(path: Path) -> pd.DataFrame:
    reader = _READERS.get(path.suffix)
    if reader is None or not path.exists():
        msg = f"cannot read {path}: expected an existing .parquet, .jsonl or .csv file"
        raise InputError(msg)
    try:
        table = reader(path)
    except (ValueError, OSError) as error:
        msg = f"cannot read {path}: {error}"
        raise InputError(msg) from None
    if missing := [name for name in _COLUMNS if name not in table]:
        msg = f"{path.name} has no column {', '.join(missing)}; found {', '.join(map(str, table.columns))}"
        raise InputError(msg)
    if "split" in table:
        table = table[table["split"].fillna("train") != "test"]
    table = table.dropna(subset=list(_COLUMNS))
    if table.empty:
        msg = f"{path.name} has no rows to learn from, once those of the test split are left out"
        raise InputError(msg)
    return table
