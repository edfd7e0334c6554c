"""What goes wrong with a request, as the answer says it: a status, a kind of few kinds, and words."""

from __future__ import annotations

from collections.abc import Iterable

from palette.errors import PaletteError, SnapshotError, StoreError, StoreTimeoutError, nearest
from palette.serving import RowRejectedError

__all__ = ["KINDS", "RefusedError", "kind_of", "problem_of", "reason_of", "unknown_model"]

KINDS = (
    "request",
    "row",
    "rejected",
    "now",
    "store",
    "store_timeout",
    "unknown_model",
    "not_found",
    "too_large",
    "too_slow",
    "unauthorized",
    "forbidden",
    "bundle",
    "internal",
)


class RefusedError(PaletteError):
    """A request that is not answered as it wished.

    Parameters
    ----------
    status : int
        Of HTTP.
    kind : str
        One of :data:`KINDS`.
    message : str
        For the client.
    headers : dict of str to str, optional
        What the answer's head says besides.
    """

    def __init__(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers or {}


def kind_of(error: Exception) -> str:
    """Return the kind of an error that scoring a row raised.

    Examples
    --------
    >>> kind_of(StoreTimeoutError("slow")), kind_of(ValueError("bad"))
    ('store_timeout', 'row')
    """
    if isinstance(error, RowRejectedError):
        return "rejected"
    if isinstance(error, StoreTimeoutError):
        return "store_timeout"
    if isinstance(error, StoreError):
        return "store"
    return "now" if isinstance(error, SnapshotError) else "row"


def problem_of(error: Exception) -> RefusedError:
    """Return the problem that an error of scoring is: 503 where the store is to blame, else 422."""
    kind = kind_of(error)
    if kind in ("store", "store_timeout"):
        return RefusedError(503, kind, str(error), {"retry-after": "1"})
    return RefusedError(422, kind, str(error))


def unknown_model(name: str, known: Iterable[str]) -> RefusedError:
    """Return the problem that there is no such model."""
    known = sorted(known)
    return RefusedError(
        404, "unknown_model", f"no model {name!r:.80}{nearest(name[:80], known)} (models: {', '.join(known)})"
    )


def reason_of(error: Exception) -> str:
    """Return what the log says of a bundle that cannot be loaded: no values of its self-test."""
    text = str(error)
    return text.split(": ")[0] if "self-test" in text else text
