"""Proof that an online store keeps its promises: for palette's own stores, and for yours."""

from __future__ import annotations

from collections.abc import Callable

from palette.online.contract import deletions, load, ordering, values
from palette.online.contract.fixtures import MakeStore, Store

__all__ = ["CHECKS", "MakeStore", "Store", "check_store"]

CHECKS: tuple[Callable[[MakeStore], None], ...] = (*ordering.CHECKS, *deletions.CHECKS, *values.CHECKS, *load.CHECKS)
"""What is checked, one promise each; a test suite may run them one by one."""


def check_store(make_store: MakeStore) -> None:
    """Run every check.

    Parameters
    ----------
    make_store : callable
        Takes the definitions (a callable from ``entity:group`` to entity and group) and returns an empty store, a
        :class:`palette.online.MemoryStore` or a :class:`palette.online.RemoteReader`. It is called many times; a
        store that is returned later need not be apart from one that is no longer used, but it must be empty.

    Raises
    ------
    AssertionError
        The store breaks a promise; the message says which, and what was found.

    Examples
    --------
    >>> from palette.online import MemoryStore
    >>> check_store(MemoryStore)
    """
    for check in CHECKS:
        check(make_store)
