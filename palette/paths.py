"""Local paths, given as a path or as a ``file:`` URI; paths of other file systems are rejected by their scheme."""

from __future__ import annotations

import os
import re
from pathlib import Path

from palette.errors import DefinitionError

__all__ = ["COPY_HERE", "COPY_THERE", "has_scheme", "local_or_none", "local_path", "path_text"]

COPY_HERE = "copy it to this machine and name the local path"
COPY_THERE = "write it to a local path and copy it there"
# pathlib makes "s3a:/bucket" of "s3a://bucket", and Hadoop reads both; one letter is not a scheme.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/|(file):", re.IGNORECASE)
SECRET = re.compile(r"(?<=://)[^/@\s]*:[^/@\s]*@")


def has_scheme(path: str) -> bool:
    """Return whether a path begins with the scheme of a file system, ``file:`` included.

    Examples
    --------
    >>> has_scheme("s3a://bucket/x"), has_scheme("dbfs:/x"), has_scheme("file:/x"), has_scheme("data/x:/y")
    (True, True, True, False)
    """
    return SCHEME.match(path) is not None


def local_or_none(path: str) -> Path | None:
    """Return a path of this machine; None if it is on another file system.

    Examples
    --------
    >>> local_or_none("s3a://bucket/x"), local_or_none("file:/data/x")
    (None, PosixPath('/data/x'))
    """
    scheme = SCHEME.match(path)
    if scheme is None:
        return Path(os.path.expanduser(path))
    return _from_file_uri(path) if (scheme[1] or scheme[2]).lower() == "file" else None


def path_text(path: str | os.PathLike[str]) -> str:
    """Return a path as it was typed: pathlib keeps one slash of the two after a scheme.

    Examples
    --------
    >>> path_text(Path("s3a://bucket/x")), path_text("dbfs:/x")
    ('s3a://bucket/x', 'dbfs:/x')
    """
    text = os.fsdecode(path)
    return text if isinstance(path, str) or not has_scheme(text) else text.replace(":/", "://", 1)


def local_path(path: str | os.PathLike[str], what: str, remedy: str) -> Path:
    """Return a path of this machine, before anything is read or written there.

    Parameters
    ----------
    path : str or path-like
        A path, in which a leading ``~`` is the home directory, or a ``file:`` URI.
    what : str
        The thing at the path, with its article.
    remedy : str
        What to do instead where the path is on another file system.

    Raises
    ------
    DefinitionError
        If it is on another file system, or not a path.

    Examples
    --------
    >>> str(local_path("file:///data/my%20store", "a store", COPY_HERE))
    '/data/my store'
    >>> local_path("s3a://bucket/eta", "a bundle", COPY_THERE)
    Traceback (most recent call last):
    ...
    palette.errors.DefinitionError: 's3a://bucket/eta' is not a local path, which a bundle needs: write it to a local \
path and copy it there
    """
    try:
        text = path_text(path)
    except TypeError:
        raise DefinitionError(f"{what}: expected a path, found {type(path).__name__}") from None
    local = local_or_none(text)
    if local is None:
        raise DefinitionError(f"{SECRET.sub('', text)!r:.500} is not a local path, which {what} needs: {remedy}")
    return local


def _from_file_uri(uri: str) -> Path:
    from urllib.parse import unquote

    rest = uri.partition(":")[2]
    host = ""
    if rest.startswith("//"):
        host, slash, rest = rest[2:].partition("/")
        rest = slash + rest
    if host not in ("", "localhost") or not rest.startswith("/"):
        raise DefinitionError(f"{uri!r:.500} is not the URI of a local file: expected file:///DIRECTORY")
    return Path(unquote(rest))
