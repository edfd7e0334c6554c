"""``palette jobs package``."""

from __future__ import annotations

import functools
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from palette.cli.error_output import report_errors
from palette.cli.output import print_text
from palette.cli.project import FILE, Config, local, open_store
from palette.definitions import BatchSource

__all__ = ["jobs"]

ARCHIVE, SCRIPT = "palette.zip", "palette_job.py"
LINES = '''"""The script for spark-submit; the library is in palette.zip next to it."""

import sys

from palette.jobs import main

sys.exit(main())
'''


class Job(NamedTuple):
    """The arguments of a job, a comment before its line, and the Spark settings to start it with."""

    arguments: str
    comment: str = ""
    settings: Mapping[str, str] = {}


EXAMPLES = (
    Job("materialize ENTITY:GROUP --config palette.yaml"),
    Job("training-set BASIS TARGET --feature COLUMN=ENTITY:GROUP:FEATURE:KEY --timestamp COLUMN --config palette.yaml"),
    Job("score MODEL BASIS TARGET"),
)

jobs = typer.Typer(help="Jobs for spark-submit.", no_args_is_help=True)


@jobs.callback()
def _jobs() -> None:
    """Jobs for spark-submit."""


@jobs.command()
@functools.partial(report_errors, name="palette jobs package")
def package(
    directory: Annotated[
        Path, typer.Argument(callback=local, help="Directory to write to; created if missing.")
    ] = Path("jobs"),
    environment: Annotated[
        str | None, typer.Option(help="A packed Python environment (venv-pack, conda-pack) for the workers.")
    ] = None,
    config: Config = Path(FILE),
) -> None:
    """Write the library as a zip and the script that spark-submit runs, and print the lines to run them.

    With a store: a line for each group that has a batch source, with the Spark settings of the source, and its schedule
    in a comment. Without: a line for each kind of job.
    """
    # The default file may be missing, a given one may not.
    jobs = _list_jobs(config) if config.exists() or config != Path(FILE) else EXAMPLES
    from palette.archive import write_archive
    from palette.session import DELTA_PACKAGE

    directory.mkdir(parents=True, exist_ok=True)
    write_archive(directory / ARCHIVE)
    (directory / SCRIPT).write_text(LINES, "utf-8")
    submit = ["spark-submit", "--packages", DELTA_PACKAGE, "--py-files", str(directory / ARCHIVE)]
    if environment is not None:
        submit += ["--archives", f"{environment}#environment"]
        # The workers unpack it; the driver in client mode runs on this machine, with this Python.
        submit += ["--conf", "spark.pyspark.python=./environment/bin/python"]
        submit += ["--conf", f"spark.pyspark.driver.python={sys.executable}"]
    for job in jobs:
        if job.comment:
            print_text(f"# {job.comment}")
        if job.arguments:
            settings = [part for name, value in job.settings.items() for part in ("--conf", f"{name}={value}")]
            print_text(f"{shlex.join([*submit, *settings, str(directory / SCRIPT)])} {job.arguments}")


def _list_jobs(config: Path) -> list[Job]:
    """Return a job for each group of a store that has a batch source."""
    groups = open_store(config).catalog.definitions.groups()
    jobs = []
    for name, group in sorted(groups.items()):
        if not isinstance(group.source, BatchSource):
            continue
        comment = f"{name}, schedule {group.source.schedule}" if group.source.schedule else ""
        arguments = shlex.join(["materialize", name, "--config", str(config)])
        jobs.append(Job(arguments, comment, group.source.startup_resources()))
    return jobs or [Job("", f"no group of {config} has a batch source"), *EXAMPLES]
