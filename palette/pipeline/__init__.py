"""Pipelines that plan their look-ups."""

from __future__ import annotations

from palette.pipeline.estimator import MLPipeline
from palette.pipeline.model import MLPipelineModel

__all__ = ["MLPipeline", "MLPipelineModel"]
