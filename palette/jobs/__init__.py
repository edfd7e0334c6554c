"""Jobs for ``spark-submit``: feature pipelines, training sets, batch scoring."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job and return its exit code; by default with the arguments of the process."""
    from palette.jobs.standard_streams import separate

    separate()  # before imports that may print
    try:
        from palette.jobs.commands import run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"palette.jobs: {error}; a zip of palette lacks its dependencies, see docs/jobs.md\n")
        return 2
    return run(arguments)
