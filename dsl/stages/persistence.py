"""Saving and loading of stages whose whole state is Params, on classic Spark and on Spark Connect alike."""

from __future__ import annotations

import sys
from typing import Any

from pyspark.ml.param import Param, Params
from pyspark.ml.util import (
    DefaultParamsReadable,
    DefaultParamsReader,
    DefaultParamsWritable,
    DefaultParamsWriter,
)
from pyspark.sql.utils import is_remote

from dsl.errors import DslError

__all__ = ["FORMAT", "UNKNOWN_CLASS", "PersistentStage", "check_format", "is_known_class"]

FORMAT = 1
"""Version of the format of saved stages; a file with a higher number is from a newer release."""
UNKNOWN_CLASS = "class {!r} is not in a module that this process has imported; import its module first, if you trust it"


class PersistentStage(Params, DefaultParamsReadable[Any], DefaultParamsWritable):
    """A stage that is saved as one JSON string and loaded where its class can be imported."""

    formatVersion: Param[int] = Param(Params._dummy(), "formatVersion", "version of the format", typeConverter=int)

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(formatVersion=FORMAT)

    def write(self) -> StageWriter:
        """Return a writer, for ``write().overwrite().save(path)``."""
        return StageWriter(self)

    @classmethod
    def read(cls) -> StageReader:
        """Return a reader of saved stages."""
        return StageReader(cls)


class StageWriter(DefaultParamsWriter):
    """Saves Params; Spark's own writer overwrites through the JVM, which Spark Connect does not have."""

    def _handleOverwrite(self, path: str) -> None:
        if not is_remote():
            super()._handleOverwrite(path)

    def saveImpl(self, path: str) -> None:
        """Write the metadata file."""
        metadata = self._get_metadata_to_save(self.instance, self.sparkSession)
        mode = "overwrite" if self.shouldOverwrite else "error"
        frame = self.sparkSession.createDataFrame([(metadata,)], schema="value string")
        frame.coalesce(1).write.mode(mode).text(f"{path}/metadata")


class StageReader(DefaultParamsReader[Any]):
    """Loads the stages that :class:`StageWriter` saves."""

    def load(self, path: str) -> Any:
        """Load a stage.

        Raises
        ------
        DslError
            A newer release saved it, or it names a class of a module that was not imported.
        """
        metadata = self.loadMetadata(path, self.sparkSession)
        if not is_known_class(metadata["class"]):
            raise DslError(f"{path!r}: {UNKNOWN_CLASS.format(metadata['class'])}")
        check_format(metadata, path)
        return super().load(path)


def is_known_class(name: str) -> bool:
    """Return whether a saved class may be loaded: one of Spark ML or ours, or a stage whose module is imported.

    Spark's reader imports any module that a file names, and so runs it.

    Examples
    --------
    >>> [is_known_class(name) for name in ("pyspark.ml.feature.VectorAssembler", "antigravity.Stage", "os.abort")]
    [True, False, False]
    """
    name = name.replace("org.apache.spark", "pyspark")  # as Spark's reader does
    if name.startswith(("pyspark.ml.", "dsl.", "palette.")):
        return True
    module, _, attribute = name.rpartition(".")
    cls = getattr(sys.modules.get(module), attribute, None)
    return isinstance(cls, type) and issubclass(cls, Params)


def check_format(metadata: dict[str, Any], path: str) -> None:
    """Reject the format of a newer release: its Params may mean something else."""
    version = metadata.get("defaultParamMap", {}).get("formatVersion", FORMAT)
    if version > FORMAT:
        raise DslError(f"{path!r} has format {version}, this release reads up to {FORMAT}; update it")
