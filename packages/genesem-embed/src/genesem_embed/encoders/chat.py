"""The parts of a prompt to the text that the model sees: the model's own chat template, or a plain form."""

import functools
import json
from collections.abc import Callable
from datetime import date
from typing import Any, NoReturn

from genesem_embed.errors import InputError, MissingExtraError, ModelUnavailableError

TODAY = date(2024, 7, 26)
"""What a template is told when it asks for the date: the day that Llama's templates take where they are told none."""

# Characters for private use, which no prompt holds, stand for the parts of a prompt.
_SYSTEM, _USER = "\ue000", "\ue001"


def render_chat(template: str, special_tokens: dict[str, str], system: str | None, user: str, *, thinking: bool) -> str:
    """Return the conversation up to the open assistant turn, as ``tokenizer.apply_chat_template`` gives it."""
    messages = [{"role": "user", "content": user}]
    if system is not None:
        messages.insert(0, {"role": "system", "content": system})
    try:
        return str(
            _compile(template).render(
                messages=messages, add_generation_prompt=True, enable_thinking=thinking, **special_tokens
            )
        )
    except Exception as error:  # noqa: BLE001 - a template is somebody else's program and may raise anything
        msg = f"the model's chat template cannot be filled in: {error}; try the style plain"
        raise ModelUnavailableError(msg) from None


def render_instruct(system: str | None, user: str) -> str:
    """Return a query with its task, or the bare document where there is no task (Qwen3-Embedding's model card)."""
    return user if system is None else f"Instruct: {system}\nQuery:{user}"


def find_user_part(text: str, render: Callable[[str | None, str], str]) -> tuple[int, int]:
    """Return the first character of the user part of a rendered `text`, and the one after the last.

    Raises
    ------
    InputError
        `render` did not make this text.
    """
    alone, tail = render(None, _USER).split(_USER)
    head, between = render(_SYSTEM, _USER).removesuffix(_USER + tail).split(_SYSTEM)
    end = len(text) - len(tail)
    if text.endswith(tail):
        if text.startswith(head) and (found := text.find(between, len(head))) >= 0:
            return found + len(between), end
        if text.startswith(alone):
            return len(alone), end
    msg = f"the user part of {text[:40]!r}... cannot be found: the text was not made by this model's chat template"
    raise InputError(msg)


@functools.cache
def _compile(template: str) -> Any:  # noqa: ANN401 - jinja2 is an optional dependency
    """Return the template, compiled with the settings that chat templates are written for."""
    try:
        import jinja2
        import jinja2.ext
        from jinja2.sandbox import ImmutableSandboxedEnvironment
    except ImportError:
        msg = 'this model has a chat template, which needs: pip install "genesem-embed[llm]"'
        raise MissingExtraError(msg) from None
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[jinja2.ext.loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = TODAY.strftime  # a text that changed by the day would have a new key daily
    return environment.from_string(template)


def _to_json(value: object, **options: Any) -> str:  # noqa: ANN401 - passed on to json
    return json.dumps(value, ensure_ascii=False, **options)


def _raise(message: str) -> NoReturn:
    raise ValueError(message)
