"""Jobs, their arguments and exit codes: data on the standard output, logs on the standard error.

The exit codes are 0 for done, 1 for a failure that may be retried, 2 for wrong arguments, 3 for done with alarms.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import json
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

from dsl.errors import DslError
from palette.errors import PaletteError
from palette.exit_codes import ALARM, DONE, USAGE, exit_code
from palette.feeds.batch.intervals import check_range, parse_chunk
from palette.feeds.batch.session_settings import startup_settings
from palette.jobs.alarms import check_stale, missing_values, share, span, stale
from palette.jobs.session import is_submitted, job_session
from palette.store import FeatureStore
from palette.times import utc

__all__ = ["run"]

LOG = logging.getLogger("palette.jobs")
CONFIG = "palette.yaml"
# The report of a job, and its alarms.
Outcome: TypeAlias = "tuple[dict[str, Any], list[str]]"


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a job; return its exit code."""
    options = _parser().parse_args(arguments)
    with _logging():
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    LOG.info("%s begins", options.job)
    try:
        report, alarms = options.run(options)
    except (PaletteError, DslError) as error:
        LOG.error("%s: %s", options.job, error)  # noqa: TRY400  expected errors need no traceback
        return exit_code(error)
    except ModuleNotFoundError as error:
        LOG.error("%s: %s; install it where this runs, see docs/jobs.md", options.job, error)  # noqa: TRY400
        return USAGE
    except Exception as error:
        LOG.exception("%s failed", options.job)
        return exit_code(error)
    print(json.dumps({**report, "alarms": alarms}, default=str), flush=True)
    for alarm in alarms:
        LOG.warning("%s: alarm: %s", options.job, alarm)
    LOG.info("%s is done", options.job)
    return ALARM if alarms else DONE


@contextlib.contextmanager
def _logging() -> Iterator[None]:
    """Log palette to the standard error, unless the process has a handler of its own."""
    logger = logging.getLogger("palette")
    level, handler = logger.level, logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    if not logger.handlers:
        logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _materialize(options: argparse.Namespace) -> Outcome:
    store, start = FeatureStore.open(options.config), _time(options.start)
    to = _time(options.to) or utc(dt.datetime.now(dt.UTC))
    group = store.group(options.group)
    check_stale(group, options.alarm_stale)
    check_range(group, start, to, parse_chunk(options.chunk))
    spark = job_session(startup_settings([group]))

    def log_progress(step: Any) -> None:
        until = f" up to {step.interval.end}" if step.interval else ""
        LOG.info("%s: %s%s, step %d of %d", step.group, step.phase, until, step.step, step.steps)

    report = store.materialize(
        group,
        _time(options.to),
        start=start,
        chunk=options.chunk,
        full_refresh=options.full_refresh,
        online=store.keeps_online,
        progress=log_progress,
    )
    if report.silent:
        LOG.warning("%s", report)
    return report.to_json(), list(stale(spark, store, group, to, options.alarm_stale))


def _time(text: str | None) -> dt.datetime | None:
    return None if text is None else utc(text)


def _training_set(options: argparse.Namespace) -> Outcome:
    from palette.offline.files.endpoints import check_layout
    from palette.offline.point_in_time import check_point_in_time
    from palette.pipeline.batch_jobs import parse_features, parse_versions
    from palette.store.training_tables import check_pinning

    store, features = FeatureStore.open(options.config), parse_features(options.feature)
    for lookup in store.lookups(features):
        check_point_in_time(lookup.schema, options.point_in_time)
    version = parse_versions(options.version)
    check_pinning(store, features, version, options.pin)
    check_layout(options.target, options.cluster_by, options.chunks)
    _check_ends(options, options.chunks)
    job_session()

    def log_progress(step: Any) -> None:
        LOG.info("%s", step)

    report = store.write_training_set(
        options.basis,
        features,
        options.target,
        timestamp=options.timestamp,
        point_in_time=options.point_in_time,
        version=version,
        status=options.status,
        mode=options.mode,
        pin=options.pin,
        cluster_by=options.cluster_by,
        chunks=options.chunks,
        progress=log_progress,
    )
    return report.to_json(), list(missing_values(report.missing, options.alarm_missing))


def _check_ends(options: argparse.Namespace, chunks: int | None = None) -> None:
    # Under spark-submit only Spark knows the file system of a path, and it runs already.
    if not is_submitted():
        from palette.offline.files.endpoints import check_source, check_target

        check_source(options.basis)
        check_target(options.target, options.mode, chunks)


def _score(options: argparse.Namespace) -> Outcome:
    from palette.catalog.models.names import parse_model_name
    from palette.pipeline.batch_jobs import score_table
    from palette.pipeline.model_ref import check_saved, find_saved

    config = options.config or (None if parse_model_name(options.model) is None else CONFIG)
    store = None if config is None else FeatureStore.open(config)
    saved = find_saved(options.model, store)
    if not is_submitted():
        check_saved(saved)
    _check_ends(options)
    spark = job_session()
    report = score_table(
        spark, options.model, options.basis, options.target, store=store, keep=options.keep, mode=options.mode
    )
    return report.to_json(), list(missing_values(report.missing, options.alarm_missing))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m palette.jobs", description=__doc__)
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")

    job = _job(jobs, "materialize", _materialize, "compute what is missing of a feature group, and put it online")
    job.add_argument("group", help="ENTITY:GROUP")
    job.add_argument("--to", help="up to which event time, UTC; default now")
    job.add_argument("--from", dest="start", help="compute again what is after this event time")
    job.add_argument("--chunk", help="compute and write in steps of this length, as 1d or 6h")
    job.add_argument(
        "--full-refresh", action="store_true", help="make the online store equal to the table, whatever it holds"
    )
    job.add_argument(
        "--alarm-stale", type=span, metavar="SPAN", help="end with 3 if no row is newer, as 36h before --to"
    )
    job.add_argument("--config", default=CONFIG, help="the store: its YAML file, or its directory")

    job = _job(jobs, "training-set", _training_set, "the values that were known at the time of each row of a basis")
    job.add_argument("basis", help="where the rows are: a path, FORMAT:PATH, or a table's name")
    job.add_argument("target", help="where it goes: a file, FORMAT:PATH, the directory of a Delta table, or table:NAME")
    job.add_argument("--feature", action="append", required=True, metavar="[COLUMN=]ENTITY:GROUP:FEATURE:KEY")
    job.add_argument(
        "--timestamp", help="column of the basis with each row's time; without it the latest values are used"
    )
    job.add_argument("--point-in-time", choices=("event", "created"), default="event")
    job.add_argument("--version", action="append", default=[], metavar="ENTITY:GROUP=N", help="read it as it was then")
    job.add_argument("--pin", metavar="NAME", help="keep the table versions that are read from vacuum, under this name")
    job.add_argument("--status", action="store_true", help="add COLUMN__status")
    job.add_argument(
        "--cluster-by", action="append", default=[], metavar="COLUMN", help="cluster the Delta table by this column"
    )
    job.add_argument(
        "--chunks", type=int, metavar="N", help="write N commits; the same line again writes what is missing"
    )
    job.add_argument("--config", default=CONFIG, help="the store: its YAML file, or its directory")
    _add_ends(job)

    job = _job(jobs, "score", _score, "the rows of a table, scored by a saved model")
    job.add_argument("model", help="the directory of a saved MLPipelineModel; or model:NAME[@STAGE|@VERSION]")
    job.add_argument("basis", help="where the rows are")
    job.add_argument("target", help="where the scores go: the same")
    job.add_argument("--keep", action="append", metavar="COLUMN", help="write only these columns")
    job.add_argument("--config", help=f"the store, if not the one of the training; with model:NAME default {CONFIG}")
    _add_ends(job)
    return parser


def _job(jobs: Any, name: str, run: Callable[[argparse.Namespace], Outcome], description: str) -> Any:
    parser = jobs.add_parser(name, help=description, description=description)
    parser.set_defaults(run=run)
    return parser


def _add_ends(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", choices=("error", "append", "overwrite"), default="error", help="if there are rows")
    parser.add_argument(
        "--alarm-missing", type=share, metavar="SHARE", help="end with 3 if more rows lack a feature's value, as 0.05"
    )
