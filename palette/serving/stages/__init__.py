"""Local forms of Spark ML stages."""

from __future__ import annotations

from palette.serving.stages.base import Bind, BundledStage, LocalStage, RowRejectedError, Sparsity
from palette.serving.stages.registry import (
    local_form,
    register,
    registered,
    saved_form,
    schema_form,
    stage_from_json,
    stage_to_json,
)

__all__ = [
    "Bind",
    "BundledStage",
    "LocalStage",
    "RowRejectedError",
    "Sparsity",
    "local_form",
    "register",
    "registered",
    "saved_form",
    "schema_form",
    "stage_from_json",
    "stage_to_json",
]
