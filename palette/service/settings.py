"""What the service is told when it starts."""

from __future__ import annotations

import ipaddress
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from palette.catalog.models.names import NAME
from palette.errors import DefinitionError
from palette.paths import COPY_HERE, local_path

__all__ = ["Settings", "bundles_of", "read_tokens"]

VARIABLE = "PALETTE_TOKENS"
SHORTEST = 16


@dataclass(frozen=True)
class Settings:
    """What the service is told when it starts.

    Parameters
    ----------
    bundles : tuple of (str, str)
        Name and directory of each model.
    store : str, optional
        Where features are read, as :func:`palette.online.factory.open_online` takes it.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    workers : int
        Processes.
    on_store_error : {"raise", "default"}
        Whether a store that fails makes 503, or an answer out of defaults with ``__store_error``.
    budget : float
        Seconds that all reads of a request may take together.
    strict : bool
        Whether a row with a column that the model does not know is refused; else it is counted.
    max_request_age : float
        Seconds that a row's own time may be away from now, where the store is live.
    cache_size, cache_ttl : int, float
        Rows and seconds of the near cache before a store that is elsewhere; size 0 has none.
    max_body, max_rows : int
        Bytes and rows of a request.
    body_seconds : float
        Seconds within which a request's body must have arrived.
    token_file : str, optional
        A file of bearer tokens, one a line, besides those of the variable ``PALETTE_TOKENS``.
    bundle_root : str, optional
        The directory under which bundles may be loaded while the service runs.
    served_log : str, optional
        The directory for the log of served features.
    log_format : {"parquet", "delta"}
        What it is written in.
    log_queue, log_rows, log_seconds : int, int, float
        Rows that may wait to be logged; rows and seconds after which a file is finished.
    access_log : bool
        Whether each request is a line of the log.
    drain_seconds : float
        Seconds between being told to end and taking no more connections; ``/readyz`` says so meanwhile.
    shutdown_seconds : int
        Seconds that requests under way have when the service is told to end.
    state : str, optional
        A file through which workers tell each other which bundle was loaded last.
    """

    bundles: tuple[tuple[str, str], ...]
    store: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    on_store_error: str = "raise"
    budget: float = 1.0
    strict: bool = False
    max_request_age: float = 300.0
    cache_size: int = 0
    cache_ttl: float = 5.0
    max_body: int = 1 << 20
    max_rows: int = 1000
    body_seconds: float = 10.0
    token_file: str | None = None
    bundle_root: str | None = None
    served_log: str | None = None
    log_format: str = "parquet"
    log_queue: int = 10_000
    log_rows: int = 50_000
    log_seconds: float = 60.0
    access_log: bool = False
    drain_seconds: float = 0.0
    shutdown_seconds: int = 30
    state: str | None = None

    def __post_init__(self) -> None:
        if not self.bundles:
            raise DefinitionError("no bundle to serve: give the directory of one, as model.save_bundle(path) wrote it")
        names = [name for name, _ in self.bundles]
        for name in names:
            if not NAME.fullmatch(name):
                raise DefinitionError(
                    f"{name!r} cannot name a model: letters, digits, '_', '-', '.', at most 64; give it with --name"
                )
            if names.count(name) > 1:
                raise DefinitionError(f"two bundles are called {name!r}; tell them apart with --name")
        positive = ("workers", "budget", "max_body", "max_rows", "body_seconds", "log_queue", "log_rows", "log_seconds")
        for option in positive:
            if not getattr(self, option) > 0:
                raise DefinitionError(f"--{option.replace('_', '-')} must be above 0, found {getattr(self, option)}")
        if not self.max_request_age >= 0:
            raise DefinitionError(f"--max-request-age must be 0 or more, found {self.max_request_age}")
        if self.bundle_root is not None and not local_path(self.bundle_root, "--bundle-root", COPY_HERE).is_dir():
            raise DefinitionError(f"--bundle-root {self.bundle_root!r} is no directory: correct its name, or make it")

    def check_open(self, tokens: Iterable[str]) -> None:
        """Raise :class:`DefinitionError` if anyone could come in from elsewhere."""
        if not list(tokens) and not _is_loopback(self.host):
            raise DefinitionError(
                f"--host {self.host} lets others in, and there is no token: set {VARIABLE}, give --token-file, "
                "or listen on 127.0.0.1"
            )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def bundles_of(paths: Iterable[str], names: Iterable[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return name and path of each bundle: the name given in the same place, else that of its directory.

    Examples
    --------
    >>> bundles_of(["/models/eta", "/models/eta2"], ["first"])
    (('first', '/models/eta'), ('eta2', '/models/eta2'))
    """
    paths, names = list(paths), list(names)
    if len(names) > len(paths):
        raise DefinitionError(f"there are {len(names)} --name and only {len(paths)} bundles")
    names += [Path(path).absolute().name for path in paths[len(names) :]]
    return tuple(zip(names, paths, strict=True))


def read_tokens(file: str | None = None) -> tuple[str, ...]:
    """Return the tokens of the variable ``PALETTE_TOKENS``, split at commas and blanks, and those of a file.

    Raises
    ------
    DefinitionError
        If the file cannot be read or has none, or a token is too short.
    """
    found = re.split(r"[,\s]+", os.environ.get(VARIABLE, ""))
    if file is not None:
        try:
            lines = local_path(file, "--token-file", COPY_HERE).read_text("utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise DefinitionError(f"--token-file {file!r} cannot be read: {error}") from error
        fresh = [line for line in map(str.strip, lines) if line and not line.startswith("#")]
        if not fresh:
            raise DefinitionError(f"--token-file {file!r} holds no token; write one a line")
        found += fresh
    tokens = tuple(dict.fromkeys(token for token in found if token))
    for place, token in enumerate(tokens):
        if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or " " in token:
            raise DefinitionError(
                f"token {place + 1} is too short or has odd signs: at least {SHORTEST} of printable ASCII, "
                "as python -c 'import secrets; print(secrets.token_urlsafe())' makes"
            )
    return tokens
