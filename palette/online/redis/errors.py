"""Errors of a Redis server as errors of a store, with the remedy where one is known."""

from __future__ import annotations

from typing import Any

from palette.errors import DefinitionError, StoreError, StoreTimeoutError

__all__ = ["connections_busy", "failure", "library", "refusal"]

REMEDIES = {
    "NOAUTH": "give user and password in the URL, or the password in PALETTE_REDIS_PASSWORD",
    "WRONGPASS": "give the right user and password in the URL, or the password in PALETTE_REDIS_PASSWORD",
    "NOPERM": "the user needs the commands HMGET, HSET, HSETNX, HGET, HDEL, HLEN, EVALSHA, SCRIPT LOAD, PTTL, TIME, "
    "PERSIST, PEXPIREAT, and the keys that begin with the store's prefix",
    "OOM": "the server is full: raise its maxmemory, or delete what is not needed",
    "READONLY": "this server is a replica: give the address of the primary",
    "LOADING": "the server is starting; try again",
    "MASTERDOWN": "the server has lost its primary; try again",
    "CLUSTERDOWN": "the cluster is incomplete; see CLUSTER INFO",
    "MOVED": "this server is one of a cluster: begin the URL with redis+cluster://",
    "MISCONF": "the server cannot save to its disk",
    "WRONGTYPE": "the key holds something that is not of palette: use another prefix",
}
NO_CLUSTER = "Cluster mode is not enabled"


def library() -> tuple[Any, Any]:
    """Return the modules redis and hiredis, or raise an error that names the package to install."""
    try:
        import hiredis
        import redis
    except ImportError as error:
        raise DefinitionError("a Redis store needs pip install 'palette-features[redis]'") from error
    return redis, hiredis


def refusal(name: str, error: BaseException) -> StoreError:
    """Return the error for a command that the server rejected."""
    message = str(error)
    remedy = REMEDIES.get(message.split(" ", 1)[0])
    return StoreError(f"{name} refused: {message}" + (f"; {remedy}" if remedy else ""))


def failure(name: str, error: BaseException, seconds: float) -> StoreError:
    """Return the error for an exchange that failed: too slow, rejected at the start, or unreachable."""
    redis, _ = library()
    if isinstance(error, (TimeoutError, redis.exceptions.TimeoutError)):
        return StoreTimeoutError(
            f"{name} did not answer within {seconds:.3f} s; raise the budget, or look at the server's load"
        )
    message = str(error) or type(error).__name__
    if isinstance(error, redis.exceptions.AuthenticationError):
        code = next((code for code in ("WRONGPASS", "NOAUTH") if code in message), "WRONGPASS")
        return StoreError(f"{name} refused: {message}; {REMEDIES[code]}")
    if isinstance(error, redis.exceptions.ResponseError):
        return refusal(name, error)
    if NO_CLUSTER in message:
        return StoreError(f"{name} refused: {message}; a server that is no cluster has a URL without +cluster")
    return StoreError(f"{name} cannot be reached: {message}; is the server running, and the address right?")


def connections_busy(name: str, size: int, seconds: float) -> StoreTimeoutError:
    """Return the error for an exchange that waited for a free connection in vain."""
    return StoreTimeoutError(f"{name}: all {size} connections were busy for {seconds:.3f} s; raise max_connections")
