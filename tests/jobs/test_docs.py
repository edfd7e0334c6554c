"""What the guide and the example for Airflow submit are jobs with arguments that these take."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import pytest

from palette.jobs import commands
from palette.session import DELTA_PACKAGE

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/jobs.md").read_text("utf-8")
DAG = (ROOT / "examples/airflow_dag.py").read_text("utf-8")


def lines():
    for line in re.findall(r"^.*(?:palette\.jobs|palette_job\.py) (.*)$", GUIDE.replace("\\\n", ""), re.MULTILINE):
        words = shlex.split(line, comments=True)
        yield words[: next((place for place, word in enumerate(words) if ">" in word), None)]


@pytest.mark.parametrize("words", [words for words in lines() if words], ids=" ".join)
def test_lines_of_the_guide_are_jobs(words):
    assert commands._parser().parse_args(words).job in ("materialize", "training-set", "score")


def test_the_dag_is_python_that_submits_jobs():
    asked = [
        [part.value if isinstance(part, ast.Constant) else "x" for part in keyword.value.elts]
        for node in ast.walk(ast.parse(DAG))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg == "application_args"
    ]
    found = {one.job: one for one in map(commands._parser().parse_args, asked)}
    assert set(found) == {"materialize", "score"}
    assert found["score"].mode == "overwrite", "a run that is tried again finds the rows of the first try"


def test_what_the_dag_says_of_time_is_so():
    """With a schedule that is no midnight, an interval ends when the run is due, not with a day."""
    minute, hour, *_ = re.search(r'schedule="([^"]*)"', DAG)[1].split()
    assert f"due, here {int(hour):02d}:{int(minute):02d} UTC" in DAG
    assert "{{ data_interval_end }}" in DAG


def test_delta_is_the_one_that_is_tested():
    assert DELTA_PACKAGE in GUIDE
    assert DELTA_PACKAGE in DAG
