"""What a benchmark says: a ratio, and whether it is what was promised."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.turns import Times

__all__ = ["Result", "peak_memory", "print_table"]


@dataclass(frozen=True)
class Result:
    """One line of the table.

    Parameters
    ----------
    what, against : str
        The two arms, measured interleaved in one run.
    ratio : float, optional
        How many times as fast the first is; with ``slower``, how many times as long it takes. None if there is
        nothing to compare: then ``note`` says why.
    target : float, optional
        What was promised.
    slower : bool
        Whether small ratios are the good ones.
    unit : str
        What the ratio counts.
    note : str
        What there is to say besides.
    times : dict of str to Times
        The calls of each arm, for the second table.
    """

    what: str
    against: str
    ratio: float | None
    target: float | None = None
    slower: bool = False
    unit: str = "x"
    note: str = ""
    times: Mapping[str, Times] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        """Whether the target is met."""
        if self.target is None or self.ratio is None:
            return True
        return self.ratio <= self.target if self.slower else self.ratio >= self.target

    def __str__(self) -> str:
        sense = "at most " if self.slower else "at least "
        target = "" if self.target is None else f"{sense}{self.target:,g}{self.unit}"
        if self.ratio is None:
            return f"| {self.what} | {self.against} | {target} | {self.note} |"
        measured = f"{self.ratio:,.0f}" if self.ratio >= 100 else f"{self.ratio:.2f}"
        mark = ("" if self.reached else " (**not reached**)") + (f"; {self.note}" if self.note else "")
        return f"| {self.what} | {self.against} | {target} | {measured}{self.unit}{mark} |"


def print_table(results: Iterable[Result]) -> None:
    """Print results as a Markdown table, and the times of single calls, where they were taken, as a second one."""
    print("| what | against | promised | measured |")
    print("| --- | --- | --- | --- |")
    times: dict[str, Times] = {}
    for result in results:
        print(result, flush=True)
        times |= result.times
    if times:
        print("\n| one call | p50 | p95 | p99 | calls |")
        print("| --- | --- | --- | --- | --- |")
    for arm, taken in times.items():
        print(f"| {arm} | {taken} |")


@contextmanager
def peak_memory() -> Iterator[list[float]]:
    """Give a list whose one element is, in the end, the most GiB that this process and its children held at once."""
    peak, done = [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.25):
            peak[0] = max(peak[0], _resident() / 2**20)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield peak
    finally:
        done.set()
        watcher.join()


def _resident() -> int:
    """Return the KiB that this process and all below it hold; what they share counts for each."""
    held: dict[int, tuple[int, int]] = {}
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        except OSError:
            continue
        held[int(fields["Pid"])] = (int(fields["PPid"]), int(fields.get("VmRSS", "0 kB").split()[0]))
    own = {int(Path("/proc/self").resolve().name)}
    while grown := {pid for pid, (parent, _) in held.items() if parent in own} - own:
        own |= grown
    return sum(held[pid][1] for pid in own if pid in held)
