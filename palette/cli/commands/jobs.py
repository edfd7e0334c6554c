"""``palette jobs package``."""

from __future__ import annotations

import functools
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from palette.cli.error_output import report_errors
from palette.cli.output import print_text
from palette.cli.project import FILE, Config, local, open_store
from palette.definitions import BatchSource

__all__ = ["jobs"]

ARCHIVE, SCRIPT = "palette.zip", "palette_job.py"
LINES = '''"""What spark-submit runs; the library is in palette.zip beside it."""

import sys

from palette.jobs import main

sys.exit(main())
'''
EXAMPLES = (
    "materialize ENTITY:GROUP --config palette.yaml",
    "training-set BASIS TARGET --feature COLUMN=ENTITY:GROUP:FEATURE:KEY --timestamp COLUMN --config palette.yaml",
    "score MODEL BASIS TARGET",
)

jobs = typer.Typer(help="Jobs for spark-submit.", no_args_is_help=True)


@jobs.callback()
def _jobs() -> None:
    """Jobs for spark-submit."""


@jobs.command()
@functools.partial(report_errors, name="palette jobs package")
def package(
    directory: Annotated[Path, typer.Argument(callback=local, help="Where they go; made if absent.")] = Path("jobs"),
    environment: Annotated[
        str | None, typer.Option(help="A packed Python environment (venv-pack, conda-pack) for the workers.")
    ] = None,
    config: Config = Path(FILE),
) -> None:
    """Write the library as a zip and the script that spark-submit runs, and print the lines to run them.

    With a store: one line for each group that has a batch source, its schedule in a comment before it. Without: a line
    for each kind of job.
    """
    # The default need not be there; what was named must.
    jobs = _materializing(config) if config.exists() or config != Path(FILE) else EXAMPLES
    from palette.archive import write_archive
    from palette.session import DELTA_PACKAGE

    directory.mkdir(parents=True, exist_ok=True)
    write_archive(directory / ARCHIVE)
    (directory / SCRIPT).write_text(LINES, "utf-8")
    line = ["spark-submit", "--packages", DELTA_PACKAGE, "--py-files", str(directory / ARCHIVE)]
    if environment is not None:
        line += ["--archives", f"{environment}#environment"]
        # Unpacked beside the workers; the driver of a client runs where spark-submit was typed, by its own Python.
        line += ["--conf", "spark.pyspark.python=./environment/bin/python"]
        line += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
    start = shlex.join([*line, str(directory / SCRIPT)])
    for job in jobs:
        print_text(job if job.startswith("#") else f"{start} {job}")


def _materializing(config: Path) -> list[str]:
    """Return what brings each group of a store up to date, and comments."""
    groups = open_store(config).catalog.definitions.groups().values()
    found = []
    for group in sorted(groups, key=lambda one: one.full_name):
        if not isinstance(group.source, BatchSource):
            continue
        if group.source.schedule:
            found.append(f"# {group.full_name}, schedule {group.source.schedule}")
        found.append(shlex.join(["materialize", group.full_name, "--config", str(config)]))
    return found or [f"# no group of {config} has a batch source", *EXAMPLES]
