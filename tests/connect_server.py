"""What processes need that start a Spark of their own: which port its server takes, and a start that is quick."""

from __future__ import annotations

import os

__all__ = ["QUICK", "connecting"]

# Half of a short process's work would be its compiler's.
QUICK = {"SPARK_SUBMIT_OPTS": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"}


def connecting(**more: str) -> dict[str, str]:
    """Return the environment of a process that starts a Spark Connect server: on any free port, not always on 15002."""
    return {**os.environ, **QUICK, "SPARK_TESTING": "1", **more}
