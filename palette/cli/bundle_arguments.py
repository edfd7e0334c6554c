"""Arguments that name a bundle: its directory, or ``model:NAME``, ``model:NAME@STAGE_OR_VERSION``."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from palette.catalog.models.names import parse_model_name
from palette.cli.project import open_store
from palette.definitions.config import read_config
from palette.paths import COPY_HERE, local_path

__all__ = ["HELP", "MAX_REQUEST_AGE", "STORE", "Bundle", "find_bundle"]

HELP = "Directory of a bundle; or model:NAME (in production), model:NAME@STAGE or model:NAME@VERSION."

STORE = (
    "redis://HOST:PORT/DB (rediss, unix, redis+cluster), lmdb:DIR, or a snapshot. Default: with model:NAME the online "
    "store of the configuration."
)


MAX_REQUEST_AGE = "Seconds that a row's own time may be away from now, where the store is live; inf: any."


class Bundle(NamedTuple):
    """The bundle of a command.

    Parameters
    ----------
    name : str
        The model, or the name of the directory.
    path : str
        The directory.
    online : str or None
        The online store of the configuration, if the bundle was named by its model.
    """

    name: str
    path: str
    online: str | None = None


def find_bundle(text: str, config: Path) -> Bundle:
    """Return the bundle of an argument; the catalog is read only for models.

    Raises
    ------
    ArgumentError
        If it names a model without a store, or neither a stage nor a version follows ``@``.
    NotFoundError
        If there is no such model or version, or no version in this stage.

    Examples
    --------
    >>> find_bundle("/models/eta", Path("palette.yaml"))
    Bundle(name='eta', path='/models/eta', online=None)
    """
    named = parse_model_name(text)
    if named is None:
        path = local_path(text, "a bundle", COPY_HERE)
        return Bundle(path.absolute().name, str(path))
    store = open_store(config)
    path = store.bundle(named.name, named.stage, version=named.version)
    online = read_config(store.uri).online if store.uri.endswith((".yaml", ".yml")) else None
    return Bundle(named.name, str(path), online)
