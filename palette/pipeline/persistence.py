"""Saving and loading pipelines: Spark's own layout, one folder a stage."""

from __future__ import annotations

from typing import Any

from pyspark.ml import PipelineModel
from pyspark.ml.pipeline import PipelineSharedReadWrite
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWriter
from pyspark.sql import SparkSession
from pyspark.sql.utils import is_remote

from palette.errors import DataError

__all__ = ["PipelineReader", "PipelineWriter"]

FORMAT = 1


class PipelineWriter(MLWriter):
    """Writes the Params as metadata and the stages beside them."""

    def __init__(self, instance: Any, stages: list[Any]) -> None:
        super().__init__()
        self.instance = instance
        self.stages = stages

    def _handleOverwrite(self, path: str) -> None:
        if is_remote():
            from pyspark.ml.connect.readwrite import RemoteMLWriter

            RemoteMLWriter.handleOverwrite(path, True)
        else:
            super()._handleOverwrite(path)

    def saveImpl(self, path: str) -> None:
        """Write to an empty path."""
        PipelineSharedReadWrite.validateStages(self.stages)
        instance = self.instance
        params = {p.name: value for p, value in instance._paramMap.items() if p.name != "stages"}
        defaults = {p.name: value for p, value in instance._defaultParamMap.items() if p.name != "stages"}
        DefaultParamsWriter.saveMetadata(
            instance, path, SparkSession.active(), extraMetadata={"defaultParamMap": defaults}, paramMap=params
        )
        PipelineModel(self.stages).write().save(f"{path}/stages")


class PipelineReader(MLReader[Any]):
    """Reads what :class:`PipelineWriter` wrote."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        """Read from a path.

        Raises
        ------
        DataError
            If something else, or a newer format, is there.
        """
        name = f"{self.cls.__module__}.{self.cls.__name__}"
        metadata = DefaultParamsReader.loadMetadata(path, SparkSession.active())
        if metadata["class"] != name:
            raise DataError(f"{path!r} holds a {metadata['class']}, no {name}")
        found = metadata["defaultParamMap"].get("formatVersion")
        if found != FORMAT:
            raise DataError(f"{path!r} has format {found}; this release reads {FORMAT}")
        instance = self.cls()
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        return instance.setStages(PipelineModel.load(f"{path}/stages").stages)
