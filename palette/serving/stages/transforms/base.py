"""Base class of stages from vector to vector."""

from __future__ import annotations

from dataclasses import dataclass

from palette.serving.stages.base import BundledStage

__all__ = ["VectorStage"]


@dataclass(frozen=True)
class VectorStage(BundledStage):
    """A stage that makes a vector of a vector."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    numeric = True

    @property
    def output_types(self) -> tuple[str, ...]:
        """A vector."""
        return ("vector",)
