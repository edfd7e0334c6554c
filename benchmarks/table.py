"""What a benchmark says: a ratio, and whether it is what was promised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Result", "print_table"]


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Parameters
    ----------
    what, against : str
        The two arms, measured interleaved in one run.
    target, measured : str
        As people read them.
    reached : bool
        Whether the target is met.
    """

    what: str
    against: str
    target: str
    measured: str
    reached: bool


def print_table(results: Iterable[Result]) -> None:
    """Print results as a Markdown table."""
    print("| what | against | target | measured | |")
    print("| --- | --- | --- | --- | --- |")
    for result in results:
        mark = "reached" if result.reached else "**not reached**"
        print(f"| {result.what} | {result.against} | {result.target} | {result.measured} | {mark} |", flush=True)
