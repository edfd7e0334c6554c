"""Scoring without Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.serving.local import LocalPipeline
    from palette.serving.stages.base import Bind, BundledStage, RowRejectedError
    from palette.serving.stages.registry import register
    from palette.serving.stages.vectors import Sparse

__all__ = ["Bind", "BundledStage", "LocalPipeline", "RowRejectedError", "Sparse", "register"]

_HOMES = {
    "Bind": "palette.serving.stages.base",
    "BundledStage": "palette.serving.stages.base",
    "LocalPipeline": "palette.serving.local",
    "RowRejectedError": "palette.serving.stages.base",
    "Sparse": "palette.serving.stages.vectors",
    "register": "palette.serving.stages.registry",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
