"""Arms that take turns: calls are timed one by one, and ratios are taken within a turn."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

__all__ = ["Times", "Turn", "calling", "in_turns"]

# What an arm does when it is its turn: it returns the seconds of each of its calls.
Turn = Callable[[], list[float]]


@dataclass(frozen=True)
class Times:
    """Seconds of each call of an arm, turn by turn."""

    turns: list[list[float]]

    def over(self, other: Times) -> float:
        """Return how many times as long as another arm this one takes: the median turn, by the median call in it."""
        pairs = zip(self.turns, other.turns, strict=True)
        return statistics.median(statistics.median(mine) / statistics.median(its) for mine, its in pairs)

    def __str__(self) -> str:
        """Show p50, p95 and p99 of all calls; of few calls only what they tell."""
        times = sorted(one for turn in self.turns for one in turn)
        shares = [share for share, least in ((0.50, 1), (0.95, 20), (0.99, 100)) if len(times) >= least]
        shown = [_shown(times[min(int(len(times) * share), len(times) - 1)]) for share in shares]
        return " | ".join(shown + ["–"] * (3 - len(shown))) + f" | {len(times):,}"


def _shown(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def calling(function: Callable[[], object], calls: int) -> Turn:
    """Return a turn that calls a function so many times."""
    clock = time.perf_counter

    def turn() -> list[float]:
        times = []
        for _ in range(calls):
            start = clock()
            function()
            times.append(clock() - start)
        return times

    return turn


def in_turns(arms: Mapping[str, Turn], turns: int) -> dict[str, Times]:
    """Let the arms take turns, forwards and backwards, so that each comes first as often as last; one to warm up."""
    found: dict[str, list[list[float]]] = {name: [] for name in arms}
    for number in range(-1, turns):
        for name, turn in list(arms.items())[:: 1 if number % 2 else -1]:
            times = turn()
            if number >= 0:
                found[name].append(times)
    return {name: Times(times) for name, times in found.items()}
