"""What Java is told by tests, so that a process which starts a Spark of its own is quick; and where Connect listens."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["OPTIONS", "QUICK", "SESSION", "connecting"]

# `make test` keeps Spark's classes there as they are in memory; an archive of another Java or Spark is passed over.
ARCHIVE = Path(sys.prefix) / "spark.jsa"
ARCHIVED = f" -XX:SharedArchiveFile={ARCHIVE} -Xlog:disable" if ARCHIVE.exists() else ""
# The compiler that makes servers fast takes two fifths of the work in the first minutes, and a quarter after ten: most
# code of tests runs a few times. Its simpler brother alone is given little room for code by default.
OPTIONS = f"-XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=256m{ARCHIVED}"
# A session of many tests: classes and short-lived objects cause no collection of all.
SESSION = f"{OPTIONS} -XX:MetaspaceSize=512m -Xms1g -XX:NewRatio=1"
QUICK = {"SPARK_SUBMIT_OPTS": OPTIONS}


def connecting(**more: str) -> dict[str, str]:
    """Return the environment of a process that starts a Spark Connect server: on any free port, not always on 15002."""
    # With "1" the JVM would look for classes where Spark itself is built.
    return {**os.environ, **QUICK, "SPARK_TESTING": "true", **more}
