"""Local forms of Spark ML stages."""

from __future__ import annotations

from palette.serving.stages import (
    assembler,
    buckets,
    encoders,
    factorization,
    glm,
    imputer,
    indexers,
    isotonic,
    linear,
    logistic,
    norms,
    perceptron,
    scalers,
    survival,
)
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
    "buckets",
    "encoders",
    "factorization",
    "glm",
    "imputer",
    "indexers",
    "isotonic",
    "linear",
    "local_form",
    "logistic",
    "norms",
    "perceptron",
    "register",
    "registered",
    "saved_form",
    "scalers",
    "stage_from_json",
    "stage_to_json",
    "survival",
]
