"""Schedules that cron would take, and those that it would not."""

from __future__ import annotations

import pytest

from palette.definitions import BatchSource
from palette.errors import DefinitionError


@pytest.mark.parametrize(
    "schedule",
    [
        "* * * * *",
        "*/15 0-23/2 1,15 jan-jun,DEC mon-fri",
        "59 23 31 12 7",
        "0 3 * * Sun",
        "0,30 8-18 * * 1-5",
        "1-59/2 * * * *",
    ],
)
def test_schedule_is_taken(schedule):
    assert BatchSource(sql="SELECT 1", schedule=f" {schedule.replace(' ', '  ')} ").schedule == schedule


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        pytest.param("", "has 0 fields, a cron expression has five", id="empty"),
        pytest.param("0 3 * *", "has 4 fields", id="four"),
        pytest.param("0 0 3 * * *", "has 6 fields", id="six"),
        pytest.param("@daily", "write '0 0 \\* \\* \\*'", id="shorthand"),
        pytest.param("60 3 * * *", "minute '60' is out of range: 0 to 59", id="minute"),
        pytest.param("0 24 * * *", "hour '24' is out of range: 0 to 23", id="hour"),
        pytest.param("0 0 0 * *", "day of the month '0' is out of range: 1 to 31", id="day"),
        pytest.param("0 0 * 13 *", "month '13' is out of range: 1 to 12, or jan", id="month"),
        pytest.param("0 0 * * 8", "day of the week '8'", id="weekday"),
        pytest.param("0 0 * * mno", "did you mean 'mon'", id="name"),
        pytest.param("0 0 * * 5-1", "goes backwards: write two ranges, 5-7,0-1", id="backwards"),
        pytest.param("*/0 * * * *", "a step of 0", id="no-step"),
        pytest.param("5/15 * * * *", "write 5-59/15, or \\*/15", id="step-of-one"),
        pytest.param("1,,2 * * * *", "minute '' is invalid", id="empty-part"),
        pytest.param("-1 * * * *", "minute '-1' is invalid", id="negative"),
        pytest.param("\u0661 * * * *", "is invalid", id="arabic-digit"),
        pytest.param("0 3 * * *\n0 4 * * *", "has 10 fields", id="two-lines"),
    ],
)
def test_what_is_no_schedule_is_refused(schedule, message):
    with pytest.raises(DefinitionError, match=f"schedule: .*{message}"):
        BatchSource(sql="SELECT 1", schedule=schedule)
