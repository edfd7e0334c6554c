"""The jobs, their arguments and exit codes: data on the standard output, logs on the standard error.

0 is done, 1 failed, 2 cannot be as asked, as a scheduler expects them.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import logging
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any

from dsl.errors import DslError
from palette.definitions.types import utc
from palette.errors import DefinitionError, FeatureNotFoundError, PaletteError, PlanError, SchemaError
from palette.jobs.session import SUBMITTED, job_session
from palette.store import FeatureStore

__all__ = ["main"]

LOG = logging.getLogger("palette.jobs")
DONE, FAILED, USAGE = 0, 1, 2
# What repeating the same does not mend.
ASKED_WRONGLY = (DefinitionError, FeatureNotFoundError, PlanError, SchemaError, DslError)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job; return its exit code."""
    options = _parser().parse_args(arguments)
    _log()
    LOG.info("%s begins", options.job)
    try:
        told = options.run(options)
    except (PaletteError, DslError) as error:
        refused = error
    except Exception:
        LOG.exception("%s failed", options.job)
        return FAILED
    else:
        print(json.dumps(told, default=str))
        LOG.info("%s is done", options.job)
        return DONE
    LOG.error("%s: %s", options.job, refused)
    return USAGE if isinstance(refused, ASKED_WRONGLY) else FAILED


def _log() -> None:
    """Log to the standard error; spark-submit puts it on its standard output, where then only faults are told."""
    logger = logging.getLogger("palette")
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
    logger.setLevel(logging.WARNING if SUBMITTED in os.environ else logging.INFO)


def _materialize(options: argparse.Namespace) -> dict[str, Any]:
    store, to, start = FeatureStore.open(options.config), _time(options.to), _time(options.start)
    job_session()

    def tell(step: Any) -> None:
        until = f" up to {step.interval.end}" if step.interval else ""
        LOG.info("%s: %s%s, step %d of %d", step.group, step.phase, until, step.step, step.steps)

    told = store.materialize(
        options.group, to, start=start, chunk=options.chunk, everything=options.everything, progress=tell
    )
    return told.to_json()


def _time(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return utc(dt.datetime.fromisoformat(text))
    except ValueError as error:
        raise DefinitionError(f"{text!r} is no time, as 2026-03-01 or 2026-03-01T12:00") from error


def _training_set(options: argparse.Namespace) -> dict[str, Any]:
    from palette.pipeline.batch import features_of, write_training_set

    told = write_training_set(
        job_session(),
        FeatureStore.open(options.config),
        options.basis,
        features_of(options.feature),
        options.target,
        timestamp=options.timestamp,
        point_in_time=options.point_in_time,
        status=options.status,
        mode=options.mode,
    )
    return told.to_json()


def _score(options: argparse.Namespace) -> dict[str, Any]:
    from palette.pipeline.batch import score_table

    store = None if options.config is None else FeatureStore.open(options.config)
    spark = job_session()
    told = score_table(
        spark, options.model, options.basis, options.target, store=store, keep=options.keep, mode=options.mode
    )
    return told.to_json()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m palette.jobs", description=__doc__)
    jobs = parser.add_subparsers(dest="job", required=True, metavar="JOB")

    one = _job(jobs, "materialize", _materialize, "compute what is missing of a feature group, and put it online")
    one.add_argument("group", help="ENTITY:GROUP")
    one.add_argument("--to", help="up to which event time, UTC; default now")
    one.add_argument("--from", dest="start", help="compute again what is after this event time")
    one.add_argument("--chunk", help="compute and write in steps of this length, as 1d or 6h")
    one.add_argument("--everything", action="store_true", help="put every key online, not only what is new")
    one.add_argument("--config", default="palette.yaml", help="the store: its YAML file, or its directory")

    one = _job(jobs, "training-set", _training_set, "the values that were known at the time of each row of a basis")
    one.add_argument("basis", help="where the rows are: a path, FORMAT:PATH, or a table's name")
    one.add_argument("target", help="where the training set goes: the same")
    one.add_argument("--feature", action="append", required=True, metavar="[COLUMN=]ENTITY:GROUP:FEATURE:KEY")
    one.add_argument("--timestamp", help="column of the basis with each row's time; without it latest values are taken")
    one.add_argument("--point-in-time", choices=("event", "created"), default="event")
    one.add_argument("--status", action="store_true", help="add COLUMN__status")
    one.add_argument("--config", default="palette.yaml", help="the store: its YAML file, or its directory")
    _add_mode(one)

    one = _job(jobs, "score", _score, "the rows of a table, scored by a saved model")
    one.add_argument("model", help="the directory of a saved MLPipelineModel")
    one.add_argument("basis", help="where the rows are")
    one.add_argument("target", help="where the scores go")
    one.add_argument("--keep", action="append", metavar="COLUMN", help="write only these columns")
    one.add_argument("--config", help="the store, if not the one of the training")
    _add_mode(one)
    return parser


def _job(jobs: Any, name: str, run: Callable[[argparse.Namespace], dict[str, Any]], told: str) -> Any:
    parser = jobs.add_parser(name, help=told, description=told)
    parser.set_defaults(run=run)
    return parser


def _add_mode(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--mode", choices=("error", "append", "overwrite"), default="error", help="if there are rows")
