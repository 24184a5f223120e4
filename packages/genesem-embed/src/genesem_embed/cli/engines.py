"""What computes the vectors of a build: this machine, a server, or a Ray cluster."""

import enum
from typing import TYPE_CHECKING, Any

from genesem_embed.errors import InputError

if TYPE_CHECKING:
    from genesem_embed.encoders.protocol import Described, Encoder


class Writers(enum.StrEnum):
    """Who publishes the segments of a Ray build."""

    auto = "auto"
    actors = "actors"
    driver = "driver"


class Engine(enum.StrEnum):
    """What computes the vectors."""

    transformers = "transformers"
    openai = "openai"
    ray = "ray"


def describe(
    engine: Engine, endpoint: str | None, model: str | None, default: str, wishes: dict[str, Any]
) -> "Described":
    """Return what `engine` will compute with, told without loading any weights."""
    if engine is Engine.openai:
        from genesem_embed.encoders.openai import describe_server

        if endpoint is None:
            msg = "--engine openai needs --endpoint, such as http://localhost:8000/v1"
            raise InputError(msg)
        return describe_server(endpoint, model=model, style=wishes["style"], precision=wishes["precision"])
    from genesem_embed.encoders.model import describe_model

    return describe_model(model or default, **wishes)


def load(
    model: Any,  # noqa: ANN401 - what `describe` gave for the same engine
    engine: Engine,
    batch_tokens: int | None,
    endpoint: str | None,
    actors: int | None,
    writers: Writers = Writers.auto,
) -> "Encoder":
    """Return the encoder of what `describe` gave."""
    if engine is Engine.openai:
        from genesem_embed.encoders.openai import ServerEncoder

        return ServerEncoder(model)
    if engine is Engine.ray:
        from genesem_embed.encoders.cluster import RayEncoder

        return RayEncoder(model, address=endpoint, n_actors=actors, batch_tokens=batch_tokens, writers=writers.value)
    from genesem_embed.encoders.transformer import load_encoder

    encoder: Encoder = load_encoder(model, batch_tokens=batch_tokens)
    return encoder
