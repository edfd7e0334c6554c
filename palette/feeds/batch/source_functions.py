"""Functions of batch sources, imported by name from the modules that a store allows."""

from __future__ import annotations

import contextlib
import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from palette.errors import DefinitionError

__all__ = ["Modules"]


@dataclass(frozen=True)
class Modules:
    """The modules from which functions may be imported.

    Parameters
    ----------
    allowed : tuple of str
        Modules, and packages with their modules.
    home : str, optional
        The directory of the store's configuration: searched for modules after all others.
    """

    allowed: tuple[str, ...] = ()
    home: str | None = None

    @contextlib.contextmanager
    def function(self, name: str) -> Iterator[Callable[..., Any]]:
        """Yield the function named ``module:function``; its module can be imported from while the block runs.

        Raises
        ------
        DefinitionError
            If its module is not allowed, and so not imported, or there is no such function.

        Examples
        --------
        >>> with Modules(("textwrap",)).function("textwrap:dedent") as dedent:
        ...     dedent("  a")
        'a'
        """
        self.check(name)
        module, _, function = name.partition(":")
        with _importable(self.home):
            try:
                value = getattr(importlib.import_module(module), function, None)
            except ModuleNotFoundError as error:
                raise DefinitionError(
                    f"{name}: {error}: install it where this runs, or put it next to palette.yaml or on PYTHONPATH"
                ) from error
            if not callable(value):
                raise DefinitionError(f"{name}: the module {module!r} has no function {function!r}")
            # A module does not offer what it has imported itself, such as os.system.
            if not self._has(str(getattr(value, "__module__", ""))):
                raise DefinitionError(f"{name}: {function!r} is not defined in {module!r}, only imported there")
            yield value

    def check(self, name: str) -> None:
        """Raise for a function whose module is not allowed.

        Raises
        ------
        DefinitionError
            If the module is not allowed.

        Examples
        --------
        >>> Modules(("shop",)).check("shop.features:orders")
        """
        module = name.partition(":")[0]
        if not self._has(module):
            known = ", ".join(self.allowed) or "none"
            raise DefinitionError(
                f"{name}: the module {module!r} is not among those that functions may come from ({known}): add it to "
                f"the store's configuration, 'feeds: {{modules: [{module}]}}', or open the store by "
                f"FeatureStore(path, modules=[{module!r}])"
            )

    def _has(self, module: str) -> bool:
        return any(module == name or module.startswith(f"{name}.") for name in self.allowed)


@contextlib.contextmanager
def _importable(home: str | None) -> Iterator[None]:
    """Add a directory to the end of the import path while a block runs."""
    if home is None or home in sys.path:
        yield
        return
    importlib.invalidate_caches()
    sys.path.append(home)
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(home)
