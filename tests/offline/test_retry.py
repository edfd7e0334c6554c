"""Writes that meet commits of others are repeated, and the log of the process has a line for each."""

from __future__ import annotations

import pytest

from palette.offline.delta import retry
from palette.offline.delta.retry import retry_on_conflict


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waited: list[float] = []
    monkeypatch.setattr(retry.time, "sleep", waited.append)
    return waited


def test_conflict_is_retried_and_logged(caplog: pytest.LogCaptureFixture, waits: list[float]) -> None:
    failures = [RuntimeError("[DELTA_CONCURRENT_APPEND] files were added"), RuntimeError("[DELTA_METADATA_CHANGED]")]

    def write() -> int:
        if failures:
            raise failures.pop(0)
        return 7

    with caplog.at_level("INFO", logger="palette.offline.delta.retry"):
        assert retry_on_conflict(write, "shop:orders") == 7
    assert len(waits) == 2
    first, second = caplog.messages
    assert first.startswith("shop:orders: commit conflict (DELTA_CONCURRENT_), attempt 2 of 12 in 0.")
    assert second.startswith("shop:orders: commit conflict (DELTA_METADATA_CHANGED), attempt 3 of 12 in 0.")


def test_other_errors_are_raised_at_once(waits: list[float]) -> None:
    def write() -> None:
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        retry_on_conflict(write, "shop:orders")
    assert waits == []


def test_after_a_dozen_attempts_the_conflict_is_raised(waits: list[float]) -> None:
    def write() -> None:
        raise RuntimeError("DELTA_CONCURRENT_WRITE")

    with pytest.raises(RuntimeError, match="DELTA_CONCURRENT_WRITE"):
        retry_on_conflict(write, "shop:orders")
    assert len(waits) == retry.ATTEMPTS - 1
