"""Error responses: HTTP status, error kind, message."""

from __future__ import annotations

from collections.abc import Iterable

from palette.errors import PaletteError, SnapshotError, StoreError, StoreTimeoutError, nearest
from palette.serving import RowRejectedError

__all__ = ["KINDS", "RequestError", "error_kind", "load_failure", "scoring_error", "unknown_model"]

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


class RequestError(PaletteError):
    """A request that failed, with its error response.

    Parameters
    ----------
    status : int
        HTTP status.
    kind : str
        One of :data:`KINDS`.
    message : str
        Message for the client.
    headers : dict of str to str, optional
        Additional headers of the response.
    """

    def __init__(self, status: int, kind: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.headers = headers or {}


def error_kind(error: Exception) -> str:
    """Return the kind of an error that scoring a row raised.

    Examples
    --------
    >>> error_kind(StoreTimeoutError("slow")), error_kind(ValueError("bad"))
    ('store_timeout', 'row')
    """
    if isinstance(error, RowRejectedError):
        return "rejected"
    if isinstance(error, StoreTimeoutError):
        return "store_timeout"
    if isinstance(error, StoreError):
        return "store"
    return "now" if isinstance(error, SnapshotError) else "row"


def scoring_error(error: Exception) -> RequestError:
    """Return the error response for an exception of scoring: 503 if the store failed, else 422."""
    kind = error_kind(error)
    if kind in ("store", "store_timeout"):
        return RequestError(503, kind, str(error), {"retry-after": "1"})
    return RequestError(422, kind, str(error))


def unknown_model(name: str, known: Iterable[str]) -> RequestError:
    """Return the error response for the name of a model that is not loaded."""
    known = sorted(known)
    return RequestError(
        404, "unknown_model", f"no model {name!r:.80}{nearest(name[:80], known)} (models: {', '.join(known)})"
    )


def load_failure(error: Exception) -> str:
    """Return the message to log for a bundle that cannot be loaded, without values of its self-test."""
    message = str(error)
    return message.split(": ")[0] if "self-test" in message else message
