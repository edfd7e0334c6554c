"""Names of models and their versions: ``model:NAME``, ``model:NAME@STAGE``, ``model:NAME@VERSION``."""

from __future__ import annotations

import re
from typing import NamedTuple

from palette.errors import ArgumentError

__all__ = ["MODEL", "NAME", "PRODUCTION", "RETIRED", "SHADOW", "STAGES", "ModelName", "parse_model_name"]

MODEL = "model:"
# Names are part of paths and URLs.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
STAGES = SHADOW, PRODUCTION, RETIRED = "shadow", "production", "retired"


class ModelName(NamedTuple):
    """A model with a version, or with a stage: the newest version in it."""

    name: str
    stage: str
    version: int | None = None


def parse_model_name(text: str) -> ModelName | None:
    """Parse the name of a version of a model; None if it does not begin with ``model:``.

    Raises
    ------
    ArgumentError
        If neither a stage nor a version follows ``@``.

    Examples
    --------
    >>> parse_model_name("model:eta"), parse_model_name("model:eta@3").version, parse_model_name("models/eta")
    (ModelName(name='eta', stage='production', version=None), 3, None)
    """
    if not text.startswith(MODEL):
        return None
    name, at, suffix = text.removeprefix(MODEL).partition("@")
    if suffix.isascii() and suffix.isdigit():
        return ModelName(name, PRODUCTION, int(suffix))
    if at and suffix not in STAGES:
        raise ArgumentError(f"{text!r}: expected a version after @, or one of {', '.join(STAGES)}")
    return ModelName(name, suffix or PRODUCTION)
