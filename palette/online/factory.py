"""Online stores by URI."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.errors import ArgumentError, NotFoundError
from palette.paths import local_or_none, local_path, path_text

if TYPE_CHECKING:
    from palette.online.defined_groups import Definitions
    from palette.online.reader import FeatureReader

__all__ = ["open_online"]

REDIS = ("redis://", "rediss://", "unix://", "redis+cluster://", "rediss+cluster://")
LMDB = "lmdb:"
MEMORY = "memory"


def open_online(
    uri: str | Path, definitions: Definitions, *, cache: Mapping[str, Any] | None = None, must_exist: bool = False
) -> FeatureReader:
    """Open the online store that a URI names.

    Parameters
    ----------
    uri : str or Path
        ``memory``, a store in this process; ``redis://``, ``rediss://``, ``unix://`` or ``redis+cluster://...``;
        ``lmdb:DIRECTORY``; or the directory of a saved snapshot, which is memory-mapped if it was saved so.
    definitions : callable
        Returns the entity and the feature group of a full name ``entity:group``.
    cache : mapping, optional
        Puts a :class:`NearCache` with these arguments (``size``, ``ttl``, ...) in front of Redis or LMDB.
    must_exist : bool
        Raise for an LMDB directory without a store, instead of creating one: for reading only.

    Raises
    ------
    ArgumentError
        If the URI does not name a store.
    NotFoundError
        If the store must exist and does not.

    Examples
    --------
    >>> open_online("memory", {}.__getitem__)  # doctest: +ELLIPSIS
    <palette.online.memory.MemoryStore object at ...>
    """
    uri = path_text(uri)
    if uri == MEMORY:
        from palette.online.memory import MemoryStore

        return MemoryStore(definitions)
    if uri.startswith(REDIS):
        from palette.online.redis.store import RedisStore

        store: Any = RedisStore(uri, definitions)
    elif uri.startswith(LMDB):
        from palette.online.lmdb import LmdbStore

        directory = local_path(uri.removeprefix(LMDB), "an LMDB store", "name a directory of this machine")
        if must_exist and not (directory / "data.mdb").is_file():
            raise NotFoundError(
                f"no online store at {uri!r:.200}: the directory has none; correct its name, or fill it first: "
                "palette materialize, or store.materialize(...)"
            )
        store = LmdbStore(directory, definitions)
    elif (path := local_or_none(uri)) is not None and path.is_dir():
        from palette.online.snapshot.snapshot import Snapshot

        return Snapshot.load(path, memory_map=Snapshot.is_mapped(path))
    else:
        # Without a part that may be a password.
        shown = uri.split("@")[-1].partition("?")[0]
        raise ArgumentError(
            f"no online store at {shown!r:.200}: expected memory, {', '.join(REDIS)}, {LMDB}DIRECTORY, "
            "or the directory of a saved snapshot on this machine"
        )
    if not cache:
        return store
    from palette.online.near_cache import NearCache

    try:
        return NearCache(store, **cache)
    except TypeError as error:
        store.close()
        raise ArgumentError(f"cache: {error}; it has size, ttl and negative_ttl, which are numbers") from error
