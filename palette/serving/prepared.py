"""Plans prepared on a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from palette.errors import ArgumentError, DataError
from palette.serving.compile import Score
from palette.serving.executors import Options, Program, prepare_program
from palette.serving.plan import Plan

if TYPE_CHECKING:
    from palette.online.reader import FeatureReader

__all__ = ["Ready", "Store", "SupportsOnline", "absolute_store", "outdated", "prepare"]

NEVER = -(1 << 63)


class SupportsOnline(Protocol):
    """A feature store, of which serving reads the online store."""

    @property
    def online(self) -> FeatureReader:
        """The online store."""


Store: TypeAlias = "FeatureReader | SupportsOnline"


# Attributes in slots are read faster than those of a NamedTuple, and every request reads six.
@dataclass(slots=True, eq=False)
class Ready:
    """A plan prepared on a store.

    Parameters
    ----------
    store : Snapshot, online store or FeatureStore, optional
        The store as it was given.
    earliest : int
        Microseconds; the store has no values of times before.
    reader : FeatureReader
        What is read of the store.
    score : callable
        Scores one row.
    generation : int
        The reader's generation that the plan was prepared on.
    program : Program
        Scores in all other ways.
    """

    store: Store | None
    earliest: int
    reader: FeatureReader
    score: Score
    generation: int
    program: Program


def prepare(plan: Plan, store: Store | None, options: Options) -> Ready:
    """Prepare a plan on a store.

    Raises
    ------
    ArgumentError
        If it is not a store.
    DataError
        If there is none, and the plan needs one.
    """
    if store is None and plan.groups:
        groups = ", ".join(plan.groups)
        raise DataError(f"this pipeline reads features of {groups}: pass store= (--store), a snapshot or online store")
    reader = _reader(store)
    generation, earliest = reader.generation, NEVER if reader.at is None else reader.at
    program = prepare_program(plan, reader, options)
    return Ready(store, earliest, reader, program.score, generation, program)


def absolute_store(store: Any) -> Any:
    """Return a store, or its URI with an absolute directory."""
    if not isinstance(store, (str, Path)):
        return store
    prefix, lmdb, directory = str(store).rpartition("lmdb:")
    return f"{prefix}{lmdb}{Path(directory).absolute()}" if lmdb or Path(store).is_dir() else store


def outdated(ready: Ready) -> bool:
    """Return whether a definition in the store has changed since the plan was prepared on it."""
    return ready.reader.generation != ready.generation


def _reader(store: Any) -> Any:
    """Return the online store of a store; without one, a reader that has no groups."""
    if store is None:
        return NoStore()
    from palette.online.reader import FeatureReader

    reader = getattr(store, "online", store)
    if not isinstance(reader, FeatureReader):
        raise ArgumentError(f"store must be a snapshot, an online store or a FeatureStore, not {store!r:.80}")
    return reader


class NoStore:
    """The reader where there is no store."""

    at = None
    generation = 0

    def check_now(self, now: int) -> int:
        """Return the time."""
        return now
