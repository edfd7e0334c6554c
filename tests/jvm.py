"""What Java is told by tests, so that a process which starts a Spark of its own is quick; and where Connect listens."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["COMMON", "OPTIONS", "QUICK", "connecting"]

# `make test` keeps Spark's classes there as they are in memory; an archive of another Java or Spark is passed over.
ARCHIVE = Path(sys.prefix) / "spark.jsa"
COMMON = "-XX:+UseSerialGC" + (f" -XX:SharedArchiveFile={ARCHIVE} -Xlog:disable" if ARCHIVE.exists() else "")
# Half of a short process's work would be its compiler's.
OPTIONS = f"-XX:TieredStopAtLevel=1 {COMMON}"
QUICK = {"SPARK_SUBMIT_OPTS": OPTIONS}


def connecting(**more: str) -> dict[str, str]:
    """Return the environment of a process that starts a Spark Connect server: on any free port, not always on 15002."""
    # With "1" the JVM would look for classes where Spark itself is built.
    return {**os.environ, **QUICK, "SPARK_TESTING": "true", **more}
