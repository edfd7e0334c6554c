"""What ``spark-submit`` runs: feature pipelines, training sets, batch scoring."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job and return its exit code; the arguments are the process's own if there are none."""
    from palette.jobs.standard_streams import separate

    separate()  # before anything is imported that may have something to say
    try:
        from palette.jobs.commands import run
    except ModuleNotFoundError as error:
        sys.stderr.write(f"palette.jobs: {error}; a zip of palette does not hold what it needs, see docs/jobs.md\n")
        return 2
    return run(arguments)
