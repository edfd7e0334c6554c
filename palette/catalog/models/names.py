"""What people call a model, and a version of it: ``model:NAME``, ``model:NAME@STAGE``, ``model:NAME@VERSION``."""

from __future__ import annotations

import re
from typing import NamedTuple

from palette.errors import ArgumentError

__all__ = ["MODEL", "NAME", "PRODUCTION", "RETIRED", "SHADOW", "STAGES", "ModelName", "model_name"]

MODEL = "model:"
# It is part of paths and URLs.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
STAGES = SHADOW, PRODUCTION, RETIRED = "shadow", "production", "retired"


class ModelName(NamedTuple):
    """A model, and which version of it: that number, or the newest in that stage."""

    name: str
    stage: str
    version: int | None = None


def model_name(text: str) -> ModelName | None:
    """Return which version of which model a text names; None if it does not begin with ``model:``.

    Raises
    ------
    ArgumentError
        If neither stage nor version stands after ``@``.

    Examples
    --------
    >>> model_name("model:eta"), model_name("model:eta@3").version, model_name("models/eta")
    (ModelName(name='eta', stage='production', version=None), 3, None)
    """
    if not text.startswith(MODEL):
        return None
    name, at, which = text.removeprefix(MODEL).partition("@")
    if which.isascii() and which.isdigit():
        return ModelName(name, PRODUCTION, int(which))
    if at and which not in STAGES:
        raise ArgumentError(f"{text!r}: expected a version after @, or one of {', '.join(STAGES)}")
    return ModelName(name, which or PRODUCTION)
