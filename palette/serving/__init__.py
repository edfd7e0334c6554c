"""Scoring without Spark."""

from __future__ import annotations

from palette.serving.local import LocalPipeline
from palette.serving.stages import RowRejectedError

__all__ = ["LocalPipeline", "RowRejectedError"]
