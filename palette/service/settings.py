"""Settings of the scoring service."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, field_validator

from palette.catalog.models.names import NAME
from palette.definitions.base import Definition
from palette.errors import DefinitionError
from palette.paths import COPY_HERE, local_path

__all__ = ["Settings", "name_bundles", "read_tokens"]

VARIABLE = "PALETTE_TOKENS"
SHORTEST = 16
FIELD = re.compile(r"(?:^|(?<=; ))([a-z_]+): ")


def _positive(value: float) -> float:
    if not value > 0:
        raise ValueError(f"must be above 0, found {value}")
    return value


def _not_negative(value: float) -> float:
    if not value >= 0:
        raise ValueError(f"must be 0 or more, found {value}")
    return value


Positive, NotNegative = AfterValidator(_positive), AfterValidator(_not_negative)


class Settings(Definition):
    """Settings of the scoring service.

    Parameters
    ----------
    bundles : tuple of (str, str)
        Name and directory of each model.
    store : str, optional
        URI of the online store, see :func:`palette.online.factory.open_online`.
    host, port : str, int
        Address to listen on; port 0 is any free port.
    workers : int
        Processes.
    on_store_error : {"raise", "default"}
        Whether a failing store is an error 503, or answered from defaults with ``__store_error``.
    budget : float
        Time limit in seconds for all reads of a request.
    strict : bool
        Whether a row with an unknown column is rejected; otherwise it is counted.
    max_request_age : float
        Seconds that a row's own time may differ from now, if the store is live.
    cache_size, cache_ttl : int, float
        Rows and seconds of the near cache in front of a remote store; size 0 disables it.
    max_body, max_rows : int
        Maximum bytes and rows of a request.
    body_seconds : float
        Seconds within which a request's body must arrive.
    token_file : str, optional
        A file of bearer tokens, one a line, in addition to those of the variable ``PALETTE_TOKENS``.
    bundle_root : str, optional
        Directory under which bundles may be loaded while the service runs.
    served_log : str, optional
        Directory of the served log.
    log_format : {"parquet", "delta"}
        Its file format.
    log_queue, log_rows, log_seconds : int, int, float
        Maximum rows in the queue; rows and seconds after which a file is finished.
    access_log : bool
        Whether each request is logged.
    drain_seconds : float
        Seconds between a stop signal and closing the listening socket; ``/readyz`` is 503 meanwhile.
    shutdown_seconds : int
        Seconds that running requests have after a stop signal.
    state : str, optional
        File in which workers record which bundle was loaded last.
    """

    bundles: tuple[tuple[str, str], ...]
    store: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    workers: Annotated[int, Positive] = 1
    on_store_error: Literal["raise", "default"] = "raise"
    budget: Annotated[float, Positive] = 1.0
    strict: bool = False
    max_request_age: Annotated[float, NotNegative] = 300.0
    cache_size: int = 0
    cache_ttl: float = 5.0
    max_body: Annotated[int, Positive] = 1 << 20
    max_rows: Annotated[int, Positive] = 1000
    body_seconds: Annotated[float, Positive] = 10.0
    token_file: str | None = None
    bundle_root: str | None = None
    served_log: str | None = None
    log_format: Literal["parquet", "delta"] = "parquet"
    log_queue: Annotated[int, Positive] = 10_000
    log_rows: Annotated[int, Positive] = 50_000
    log_seconds: Annotated[float, Positive] = 60.0
    access_log: bool = False
    drain_seconds: float = 0.0
    shutdown_seconds: int = 30
    state: str | None = None

    def __init__(self, /, bundles: Iterable[tuple[str, str]], **data: Any) -> None:
        try:
            super().__init__(bundles=tuple(bundles), **data)
        except DefinitionError as error:
            # Users know the settings as options of `palette serve`.
            raise DefinitionError(FIELD.sub(_option, str(error).removeprefix("Settings: "))) from None

    @field_validator("bundles")
    @classmethod
    def _unique_names(cls, bundles: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        if not bundles:
            raise ValueError("no bundle to serve: pass the directory of one, written by model.save_bundle(path)")
        names = [name for name, _ in bundles]
        for name in names:
            if not NAME.fullmatch(name):
                raise ValueError(
                    f"{name!r} cannot name a model: letters, digits, '_', '-', '.', at most 64; set it with --name"
                )
            if names.count(name) > 1:
                raise ValueError(f"two bundles are called {name!r}; rename one with --name")
        return bundles

    @field_validator("bundle_root")
    @classmethod
    def _existing_directory(cls, root: str | None) -> str | None:
        if root is not None and not local_path(root, "--bundle-root", COPY_HERE).is_dir():
            raise ValueError(f"{root!r} is not a directory: correct its name, or create it")
        return root

    def check_open(self, tokens: Iterable[str]) -> None:
        """Raise :class:`DefinitionError` if the service would be open to other machines without a token."""
        if not list(tokens) and not _is_loopback(self.host):
            raise DefinitionError(
                f"--host {self.host} is reachable from other machines, and there is no token: set {VARIABLE}, "
                "pass --token-file, or listen on 127.0.0.1"
            )


def _option(field: re.Match[str]) -> str:
    return "" if field[1] == "bundles" else f"--{field[1].replace('_', '-')}: "


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def name_bundles(paths: Iterable[str], names: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return name and path of each bundle: the name at the same position, else that of its directory.

    Examples
    --------
    >>> name_bundles(["/models/eta", "/models/eta2"], ["first"])
    (('first', '/models/eta'), ('eta2', '/models/eta2'))
    """
    paths, names = list(paths), list(names)
    if len(names) > len(paths):
        raise DefinitionError(f"found {len(names)} --name options for {len(paths)} bundles")
    names += [Path(path).absolute().name for path in paths[len(names) :]]
    return tuple(zip(names, paths, strict=True))


def read_tokens(file: str | None = None) -> tuple[str, ...]:
    """Return the tokens of the variable ``PALETTE_TOKENS``, separated by commas or blanks, and those of a file.

    Raises
    ------
    DefinitionError
        If the file cannot be read or has no token, or a token is too short.
    """
    tokens = re.split(r"[,\s]+", os.environ.get(VARIABLE, ""))
    if file is not None:
        try:
            lines = local_path(file, "--token-file", COPY_HERE).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DefinitionError(f"--token-file {file!r} cannot be read: {error}") from error
        lines = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        if not lines:
            raise DefinitionError(f"--token-file {file!r} contains no token; write one on each line")
        tokens += lines
    unique = tuple(dict.fromkeys(token for token in tokens if token))
    for number, token in enumerate(unique, 1):
        if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
            raise DefinitionError(
                f"token {number} is too short or contains other characters: use at least {SHORTEST} of printable "
                "ASCII, for example from python -c 'import secrets; print(secrets.token_urlsafe())'"
            )
    return unique
