"""The examples run by themselves, each in a process of its own, and their summaries say what they promise.

``eats_eta.py`` is run from a wheel, in ``test_packaging.py``.
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.spark, pytest.mark.slow]

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, *options: str) -> str:
    """Return what an example prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *options], capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def number(text: str, pattern: str) -> float:
    """Return the number that a pattern captures."""
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return float(found[1])


def test_flights(tmp_path):
    text = run("flight_eta.py", "--quick", "--dir", str(tmp_path / "new"))
    mean, timetable, features = (
        [float(part) for part in re.search(rf"{name} +([\d.]+) +([\d.]+)", text).groups()]
        for name in ("always the average delay", "the timetable alone", "timetable and features")
    )
    # The features earn their keep, in both errors: root of squares, and absolute.
    assert all(new < min(old) for new, *old in zip(features, mean, timetable, strict=True))
    assert number(text, r"trained on \d+ inputs, (\d+) of them out of the store") >= 12
    groups = set(re.findall(r"^\[ *\d+ s\]   (\w+:\w+): ", text, re.MULTILINE))
    assert len(groups) == 8
    assert "score_instance from a snapshot equals transform(): True" in text


def test_every_example_is_listed_and_tested():
    listed = re.findall(r"\]\((\w+\.py)\)", (EXAMPLES / "README.md").read_text("utf-8"))
    assert sorted(listed) == sorted(path.name for path in EXAMPLES.glob("*.py"))
    # The one for Airflow is not run but parsed: its arguments are those of jobs.
    tests = [Path(__file__), *(EXAMPLES.parent / "tests" / name for name in ("test_packaging.py", "jobs/test_docs.py"))]
    text = "".join(test.read_text("utf-8") for test in tests)
    assert all(f'run("{name}"' in text or f'examples/{name}"' in text for name in listed)
