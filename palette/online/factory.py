"""Stores by what their URI says."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palette.errors import DefinitionError
from palette.paths import local_or_none, local_path, path_text

if TYPE_CHECKING:
    from palette.online.reader import Definitions, FeatureReader

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
        Puts a :class:`NearCache` with these arguments (``size``, ``ttl``, ...) before a store that is not in memory.
    must_exist : bool
        Refuse an LMDB directory that holds no store, which is made otherwise: for those that only read.

    Raises
    ------
    DefinitionError
        If the URI names no store.

    Examples
    --------
    >>> open_online("memory", {}.__getitem__)  # doctest: +ELLIPSIS
    <palette.online.memory.MemoryStore object at ...>
    """
    text = path_text(uri)
    if text == MEMORY:
        from palette.online.memory import MemoryStore

        return MemoryStore(definitions)
    if text.startswith(REDIS):
        from palette.online.redis.store import RedisStore

        store: Any = RedisStore(text, definitions)
    elif text.startswith(LMDB):
        from palette.online.lmdb import LmdbStore

        directory = local_path(text.removeprefix(LMDB), "an LMDB store", "name a directory of this machine")
        if must_exist and not (directory / "data.mdb").is_file():
            raise DefinitionError(
                f"no online store at {text!r:.200}: the directory holds none; correct its name, or fill it first: "
                "palette materialize, or store.materialize(...)"
            )
        store = LmdbStore(directory, definitions)
    elif (path := local_or_none(text)) is not None and path.is_dir():
        from palette.online.snapshot.snapshot import Snapshot

        return Snapshot.load(path, memory_map=Snapshot.is_mapped(path))
    else:
        # Without what may be a password.
        place = text.split("@")[-1].partition("?")[0]
        raise DefinitionError(
            f"no online store at {place!r:.200}: expected memory, {', '.join(REDIS)}, {LMDB}DIRECTORY, "
            "or the directory of a saved snapshot on this machine"
        )
    if not cache:
        return store
    from palette.online.near_cache import NearCache

    try:
        return NearCache(store, **cache)
    except TypeError as error:
        store.close()
        raise DefinitionError(f"cache: {error}; it has size, ttl and negative_ttl, which are numbers") from error
