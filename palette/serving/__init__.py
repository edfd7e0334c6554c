"""Scoring without Spark."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palette.lazy_imports import lazy

if TYPE_CHECKING:
    from palette.serving.local import LocalPipeline
    from palette.serving.stages.base import Bind, BundledStage, RowRejectedError
    from palette.serving.stages.registry import register
    from palette.serving.stages.sources import COLUMNS, Data, Param, Source
    from palette.serving.stages.vectors import Sparse

__all__ = [
    "COLUMNS",
    "Bind",
    "BundledStage",
    "Data",
    "LocalPipeline",
    "Param",
    "RowRejectedError",
    "Source",
    "Sparse",
    "register",
]

_HOMES = {
    "COLUMNS": "palette.serving.stages.sources",
    "Bind": "palette.serving.stages.base",
    "BundledStage": "palette.serving.stages.base",
    "Data": "palette.serving.stages.sources",
    "LocalPipeline": "palette.serving.local",
    "Param": "palette.serving.stages.sources",
    "RowRejectedError": "palette.serving.stages.base",
    "Source": "palette.serving.stages.sources",
    "Sparse": "palette.serving.stages.vectors",
    "register": "palette.serving.stages.registry",
}

__getattr__, __dir__ = lazy(__name__, _HOMES)
