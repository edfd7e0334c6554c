"""Saving and loading pipelines: Spark's own layout, one folder a stage."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from pyspark.ml.pipeline import PipelineSharedReadWrite
from pyspark.ml.util import DefaultParamsReader, DefaultParamsWriter, MLReader, MLWritable, MLWriter
from pyspark.sql.utils import is_remote

from dsl.stages.persistence import UNKNOWN_CLASS, check_format, is_known_class
from palette.errors import DataError, SchemaError
from palette.paths import has_scheme

__all__ = ["PipelineReader", "PipelineWriter"]

STAGES = "stages"


class PipelineWriter(MLWriter):
    """Writer of Params as metadata, and of the stages."""

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
        """Write to an empty path; the table versions that a model was fitted on are pinned as ``model:PATH``.

        Raises
        ------
        SchemaError
            If a stage cannot be saved; it is named, and nothing is written.
        """
        for stage in self.stages:
            if not isinstance(stage, MLWritable):
                raise SchemaError(f"stage {stage.uid} ({type(stage).__name__}) cannot be saved: it is not MLWritable")
        instance = self.instance
        uids = [stage.uid for stage in self.stages]
        params = {param.name: value for param, value in instance._paramMap.items() if param.name != STAGES}
        DefaultParamsWriter.saveMetadata(
            instance, path, self.sparkSession, extraMetadata={"stageUids": uids}, paramMap=params
        )
        for index, stage in enumerate(self.stages):
            folder = PipelineSharedReadWrite.getStagePath(stage.uid, index, len(uids), f"{path}/{STAGES}")
            stage.write().save(folder)
        if not instance.hasParam("pins"):
            return
        instance.saved_at = _absolute(path)
        if pins := instance.pinsOf(instance.store) if instance.has_store else {}:
            # By path, not by uid: a model that replaces another at its path releases that one's versions.
            instance.store.keep(f"model:{instance.saved_at}", pins)


class PipelineReader(MLReader[Any]):
    """Reader of pipelines written by :class:`PipelineWriter`."""

    def __init__(self, cls: type[Any]) -> None:
        super().__init__()
        self.cls = cls

    def load(self, path: str) -> Any:
        """Read from a path.

        Raises
        ------
        DataError
            If it is not such a pipeline, or the module of a stage's class was not imported.
        DslError
            If a newer release saved it.
        """
        name = f"{self.cls.__module__}.{self.cls.__name__}"
        metadata = DefaultParamsReader.loadMetadata(path, self.sparkSession)
        if metadata["class"] != name:
            plain = metadata["class"].endswith(".PipelineModel")
            remedy = "; fit its stages as an MLPipeline(*stages, store=...) and save that" if plain else ""
            raise DataError(f"{path!r} contains a {metadata['class']}, not a {name}{remedy}")
        check_format(metadata, path)
        instance = self.cls()
        instance._resetUid(metadata["uid"])
        DefaultParamsReader.getAndSetParams(instance, metadata)
        layout = {"uid": metadata["uid"], "paramMap": {"stageUids": metadata["stageUids"]}}
        _check_classes(path, metadata["stageUids"], self.sparkSession)
        _, stages = PipelineSharedReadWrite.load(layout, self.sparkSession, path)
        instance.setStages(stages)
        if instance.hasParam("pins"):
            instance.saved_at = _absolute(path)
        return instance


def _absolute(path: str) -> str:
    return path if has_scheme(path) else os.path.abspath(path)


def _check_classes(path: str, uids: list[str], spark: Any) -> None:
    """Reject stages of unknown classes, including nested stages: Spark would import them."""
    for index, uid in enumerate(uids):
        _check_class(PipelineSharedReadWrite.getStagePath(uid, index, len(uids), f"{path}/{STAGES}"), spark)


def _check_class(folder: str, spark: Any) -> None:
    metadata = DefaultParamsReader.loadMetadata(folder, spark)
    if not is_known_class(metadata["class"]):
        raise DataError(f"{folder!r}: {UNKNOWN_CLASS.format(metadata['class'])}")
    params = {**metadata.get("defaultParamMap", {}), **metadata.get("paramMap", {})}
    _check_classes(folder, metadata.get("stageUids") or params.get("stageUids", []), spark)
    for inner in _inner_folders(metadata["class"].rpartition(".")[2], metadata, params):
        _check_class(f"{folder}/{inner}", spark)


def _inner_folders(name: str, metadata: dict[str, Any], params: dict[str, Any]) -> Iterator[str]:
    """Yield the folders of stages inside tuning and OneVsRest, in Spark's layout."""
    if name.startswith(("CrossValidator", "TrainValidationSplit")):
        yield from ("estimator", "evaluator")
        maps = params.get("estimatorParamMaps", [])
        values = [(param.get("isJson", True), param.get("value")) for grid in maps for param in grid]
        # Java writes each as a JSON string.
        yield from (str(value).strip('"') for is_json, value in values if is_json in (False, "false"))
        if name.endswith("Model"):
            yield "bestModel"
            if metadata.get("persistSubModels"):
                folds = [f"fold{fold}/" for fold in range(params["numFolds"])] if name.startswith("Cross") else [""]
                yield from (f"subModels/{fold}{index}" for fold in folds for index in range(len(maps)))
    elif name.startswith("OneVsRest"):
        yield "classifier"
        yield from (f"model_{index}" for index in range(metadata.get("numClasses", 0)))
