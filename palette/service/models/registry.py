"""Registry of the served models, which replaces them without interrupting requests."""

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
from palette.service.http.errors import RequestError, load_failure, unknown_model
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
    """Registry of the served models.

    Parameters
    ----------
    settings : Settings
        Settings of the service: bundles and store, among others.
    gate : Gate
        Gate that gets the handlers of each model.
    metrics : Metrics
        Metrics of the process.
    log : ServedLog, optional
        Log of the served rows.

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
            self._activate(self._load(name, path, self.stores))

    def _load(self, name: str, path: str, stores: Stores) -> tuple[Model, Scorer, LookupReport]:
        settings = self.settings
        try:
            model = load_model(name, path, stores, settings, self.metrics)
            scorer = Scorer(model, self.metrics, self._log, settings.max_rows)
            report = LookupReport(model, settings.max_rows, settings.budget)
        except Exception:
            self.metrics.loads.labels(name, "failed").inc()
            raise
        self.metrics.loads.labels(name, "loaded").inc()
        return model, scorer, report

    def _activate(self, loaded: tuple[Model, Scorer, LookupReport]) -> None:
        """Route new requests to a model; the previous one answers the running requests."""
        model, scorer, report = loaded
        self.models = {**self.models, model.name: model}
        self._gate.fast = {
            **self._gate.fast,
            f"/v1/models/{model.name}/score": scorer,
            f"/v1/models/{model.name}/features": report,
        }
        self.metrics.loaded.labels(model.name).set_to_current_time()
        event("model loaded", model=model.name, version=model.version, path=model.path)

    async def load(self, name: str, path: str) -> Model:
        """Load a bundle, then replace the current one of a model.

        Raises
        ------
        RequestError
            If there is no such model, or the bundle is not under ``bundle_root`` or cannot be loaded; the current
            bundle then remains.
        """
        if name not in self.models:
            raise unknown_model(name, self.models)
        bundle = str(self._resolve(path))
        async with self._loading:
            try:
                loaded = await asyncio.to_thread(self._load, name, bundle, self.stores)
            except (PaletteError, DslError) as error:
                raise RequestError(
                    422, "bundle", f"{error}; version {self.models[name].version} stays loaded"
                ) from error
            self._activate(loaded)
            self._paths[name] = bundle
            if self.settings.state is not None:
                # The parent process passes the signal on to all workers, which then read the state file.
                write_state(self.settings.state, name, bundle)
                parent = multiprocessing.parent_process()
                if parent is not None and parent.pid is not None and parent.is_alive():
                    os.kill(parent.pid, signal.SIGHUP)
        return loaded[0]

    def _resolve(self, path: str) -> Path:
        if self.settings.bundle_root is None:
            raise RequestError(
                403, "forbidden", "loading bundles is disabled: start the service with --bundle-root DIRECTORY"
            )
        if has_scheme(path):
            raise RequestError(422, "bundle", f"{path!r:.200} is not a path under --bundle-root: copy the bundle there")
        root = local_path(self.settings.bundle_root, "--bundle-root", COPY_HERE).resolve()
        try:
            bundle = (root / path).resolve()
        except (OSError, ValueError, RuntimeError) as error:
            raise RequestError(422, "bundle", f"{path!r:.200} is not a valid path") from error
        if not bundle.is_relative_to(root):
            raise RequestError(403, "forbidden", f"{path!r:.200} is not under --bundle-root")
        return bundle

    @property
    def stale(self) -> bool:
        """Whether another worker has loaded a bundle since."""
        return any(self._paths.get(name) != path for name, path in read_state(self.settings.state).items())

    async def reload(self) -> None:
        """Read all bundles and the token file again; those that cannot be read keep their current state."""
        async with self._loading:
            self._paths |= read_state(self.settings.state)
            try:
                self._gate.tokens = Tokens(read_tokens(self.settings.token_file) or self._check_no_tokens())
            except PaletteError as error:
                event("tokens not reloaded", logging.ERROR, reason=str(error))
            stores = self.stores.reopen()
            failed = False
            for name, path in self._paths.items():
                try:
                    self._activate(await asyncio.to_thread(self._load, name, path, stores))
                except (PaletteError, DslError) as error:
                    failed = True
                    event("model not reloaded", logging.ERROR, model=name, path=path, reason=load_failure(error))
            if not failed:
                self.stores = stores

    def _check_no_tokens(self) -> tuple[str, ...]:
        """Return no tokens if there were none before; a reload never removes authentication."""
        if self._gate.tokens:
            raise PaletteError("no tokens are configured now; the current ones remain valid")
        return ()
