"""Local forms of Spark ML stages."""

from __future__ import annotations

from palette.serving.stages import assembler, linear, logistic
from palette.serving.stages.base import (
    Bind,
    LocalStage,
    RowRejectedError,
    SavedStage,
    local_form,
    register,
    registered,
    saved_form,
    stage_from_json,
    stage_to_json,
)

__all__ = [
    "Bind",
    "LocalStage",
    "RowRejectedError",
    "SavedStage",
    "assembler",
    "linear",
    "local_form",
    "logistic",
    "register",
    "registered",
    "saved_form",
    "stage_from_json",
    "stage_to_json",
]
