"""The models that are served, and how they are exchanged while requests go on."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
from pathlib import Path

from dsl.errors import DslError
from palette.errors import PaletteError
from palette.paths import COPY_HERE, has_scheme, local_path
from palette.service.http.errors import RefusedError, reason_of, unknown_model
from palette.service.http.gate import Gate, Tokens
from palette.service.logs import event
from palette.service.metrics import Metrics
from palette.service.models.loaded_bundles import read_state, write_state
from palette.service.models.served_model import Model, load_model
from palette.service.models.stores import Stores
from palette.service.routes.features import LookupReport
from palette.service.routes.scoring import Scorer
from palette.service.settings import Settings, read_tokens
from palette.serving.served_log.writer import ServedLog

__all__ = ["Registry"]


class Registry:
    """The models that are served.

    Parameters
    ----------
    settings : Settings
        Which bundles, and the store.
    gate : Gate
        Is told what answers for each model.
    metrics : Metrics
        What counts.
    log : ServedLog, optional
        What takes down the rows.

    Raises
    ------
    DefinitionError, DataError, SnapshotError, StoreError
        If a bundle cannot be loaded.
    """

    def __init__(self, settings: Settings, gate: Gate, metrics: Metrics, log: ServedLog | None) -> None:
        self.settings = settings
        self.metrics = metrics
        self.stores = Stores(settings.store, settings.cache_size, settings.cache_ttl)
        self.models: dict[str, Model] = {}
        self._gate = gate
        self._log = log
        self._paths = {**dict(settings.bundles), **read_state(settings.state)}
        self._loading = asyncio.Lock()
        for name, path in self._paths.items():
            self._exchange(self._load(name, path, self.stores))

    def _load(self, name: str, path: str, stores: Stores) -> tuple[Model, Scorer, LookupReport]:
        settings = self.settings
        try:
            model = load_model(name, path, stores, settings, self.metrics)
            scorer = Scorer(model, self.metrics, self._log, settings.max_rows)
            reader = LookupReport(model, settings.max_rows, settings.budget)
        except Exception:
            self.metrics.loads.labels(name, "failed").inc()
            raise
        self.metrics.loads.labels(name, "loaded").inc()
        return model, scorer, reader

    def _exchange(self, loaded: tuple[Model, Scorer, LookupReport]) -> None:
        """Let a model answer from now on; requests under way are answered by the one before."""
        model, scorer, reader = loaded
        self.models = {**self.models, model.name: model}
        self._gate.fast = {
            **self._gate.fast,
            f"/v1/models/{model.name}/score": scorer,
            f"/v1/models/{model.name}/features": reader,
        }
        self.metrics.loaded.labels(model.name).set_to_current_time()
        event("model loaded", model=model.name, version=model.version, path=model.path)

    async def load(self, name: str, path: str) -> Model:
        """Load a bundle beside the one that answers, and exchange them.

        Raises
        ------
        RefusedError
            If there is no such model, or the bundle lies elsewhere than it may, or cannot be loaded; then nothing
            changes.
        """
        if name not in self.models:
            raise unknown_model(name, self.models)
        found = self._allowed(path)
        async with self._loading:
            try:
                loaded = await asyncio.to_thread(self._load, name, str(found), self.stores)
            except (PaletteError, DslError) as error:
                raise RefusedError(422, "bundle", f"{error}; version {self.models[name].version} goes on") from error
            self._exchange(loaded)
            self._paths[name] = str(found)
            if self.settings.state is not None:
                # Other workers are told by the process above, as if someone had.
                write_state(self.settings.state, name, str(found))
                parent = multiprocessing.parent_process()
                if parent is not None and parent.pid is not None and parent.is_alive():
                    os.kill(parent.pid, signal.SIGHUP)
        return loaded[0]

    def _allowed(self, path: str) -> Path:
        if self.settings.bundle_root is None:
            raise RefusedError(
                403, "forbidden", "bundles cannot be loaded: start the service with --bundle-root DIRECTORY"
            )
        if has_scheme(path):
            raise RefusedError(422, "bundle", f"{path!r:.200} is no path under --bundle-root: copy the bundle there")
        root = local_path(self.settings.bundle_root, "--bundle-root", COPY_HERE).resolve()
        try:
            found = (root / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise RefusedError(422, "bundle", f"{path!r:.200} is no path") from error
        if not found.is_relative_to(root):
            raise RefusedError(403, "forbidden", f"{path!r:.200} is not under --bundle-root")
        return found

    @property
    def stale(self) -> bool:
        """Whether another worker has loaded a bundle that is not known here."""
        return any(self._paths.get(name) != path for name, path in read_state(self.settings.state).items())

    async def reload(self) -> None:
        """Read all directories and the token file again; what cannot be read stays as it was."""
        async with self._loading:
            self._paths |= read_state(self.settings.state)
            try:
                self._gate.tokens = Tokens(read_tokens(self.settings.token_file) or self._tokens_must_stay())
            except PaletteError as error:
                event("tokens stay as they were", logging.ERROR, reason=str(error))
            stores = self.stores.afresh()
            failed = False
            for name, path in self._paths.items():
                try:
                    self._exchange(await asyncio.to_thread(self._load, name, path, stores))
                except (PaletteError, DslError) as error:
                    failed = True
                    event("model stays as it was", logging.ERROR, model=name, path=path, reason=reason_of(error))
            if not failed:
                self.stores = stores

    def _tokens_must_stay(self) -> tuple[str, ...]:
        """Return no tokens, if there were none before: a service does not open itself."""
        if self._gate.tokens:
            raise PaletteError("there are none now; a service that asked for tokens goes on asking")
        return ()
