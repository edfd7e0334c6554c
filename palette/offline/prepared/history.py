"""A prepared history: the files of its parts, and how rows are spread over them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["PreparedHistory"]


@dataclass(frozen=True)
class PreparedHistory:
    """The runs of a history, by part; see :mod:`palette.offline.prepared.search`.

    Parameters
    ----------
    runs : mapping of int to list of str
        Paths of each part's runs; a part without rows is not there.
    parts : int
        The number of parts, a power of two.
    cuts : mapping of int to (int, list of int)
        Hash of a hot key to the part that is its first slice, and the ascending first times of its other slices.
    size : int
        Bytes of all runs.
    hashed : bool
        Whether keys are numbered by their hashes, which a look-up then needs.
    beside : sequence of str
        Files with columns of the only run, which this has not itself.
    """

    runs: Mapping[int, list[str]]
    parts: int = 1
    cuts: Mapping[int, tuple[int, list[int]]] = field(default_factory=dict)
    size: int = 0
    hashed: bool = True
    beside: Sequence[str] = ()

    @property
    def names(self) -> set[str]:
        """The names of the files of all runs."""
        return {os.path.basename(path) for paths in self.runs.values() for path in paths}

    @property
    def slices(self) -> int:
        """The number of slices of hot keys."""
        return sum(1 + len(at) for _, at in self.cuts.values())

    def to_json(self) -> dict[str, Any]:
        """Return the record as it is written."""
        cuts = [[key, first, list(at)] for key, (first, at) in self.cuts.items()]
        runs = {str(part): list(names) for part, names in self.runs.items()}
        return {"parts": self.parts, "cuts": cuts, "size": self.size, "runs": runs}

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> PreparedHistory:
        """Return what was written."""
        cuts = {int(key): (int(first), [int(time) for time in at]) for key, first, at in record["cuts"]}
        runs = {int(part): list(names) for part, names in record["runs"].items()}
        return cls(runs, int(record["parts"]), cuts, int(record["size"]))
