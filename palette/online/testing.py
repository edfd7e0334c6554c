"""Proof that an online store keeps its promises: for palette's own stores, and for yours."""

from __future__ import annotations

from collections.abc import Callable

from palette.online.contract import deletions, load, ordering, properties, values
from palette.online.contract.fixtures import MakeStore

__all__ = ["CHECKS", "MakeStore", "check_store"]

CHECKS: tuple[Callable[[MakeStore], None], ...] = (
    *ordering.CHECKS,
    *deletions.CHECKS,
    *values.CHECKS,
    *load.CHECKS,
    *properties.CHECKS,
)
"""What is checked, one promise each; a test suite may run them one by one."""


def check_store(make_store: MakeStore) -> None:
    """Run every check.

    Parameters
    ----------
    make_store : callable
        Gets the definitions (a callable from ``entity:group`` to entity and group) and returns an empty
        :class:`palette.online.OnlineStore`. It is called many times; a store that is returned later may share its
        place with one that is no longer used, but it must be empty.

    Raises
    ------
    AssertionError
        The store breaks a promise; the message names it, with the value expected and the value returned.

    Examples
    --------
    >>> from palette.online import MemoryStore
    >>> check_store(MemoryStore)
    """
    for check in CHECKS:
        check(make_store)
