"""What processes need that start a Spark of their own: which port its server takes, and a start that is quick."""

from __future__ import annotations

import os

__all__ = ["OPTIONS", "QUICK", "connecting"]

# Half of a short process's work would be its compiler's.
OPTIONS = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
QUICK = {"SPARK_SUBMIT_OPTS": OPTIONS}


def connecting(**more: str) -> dict[str, str]:
    """Return the environment of a process that starts a Spark Connect server: on any free port, not always on 15002."""
    # With "1" the JVM would look for classes where Spark itself is built.
    return {**os.environ, **QUICK, "SPARK_TESTING": "true", **more}
