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
    """From where functions may be imported.

    Parameters
    ----------
    allowed : tuple of str
        These modules, and what is in these packages.
    home : str, optional
        The directory of the store's configuration: modules that are nowhere else are looked for there.
    """

    allowed: tuple[str, ...] = ()
    home: str | None = None

    @contextlib.contextmanager
    def function(self, name: str) -> Iterator[Callable[..., Any]]:
        """Give the function of a name ``module:function``, to be called while this lasts.

        Raises
        ------
        DefinitionError
            If its module is not among the allowed ones, which is then not even imported, or it is no such function.

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
                found = getattr(importlib.import_module(module), function, None)
            except ModuleNotFoundError as error:
                raise DefinitionError(
                    f"{name}: {error}: install it where this runs, or put it beside palette.yaml or on PYTHONPATH"
                ) from error
            if not callable(found):
                raise DefinitionError(f"{name}: the module {module!r} has no function {function!r}")
            # What a module has imported itself (os.system, say) is not what it offers.
            if not self._has(str(getattr(found, "__module__", ""))):
                raise DefinitionError(f"{name}: {function!r} is not defined in {module!r}, only imported there")
            yield found

    def check(self, name: str) -> None:
        """Refuse the name of a function whose module is not among the allowed ones.

        Raises
        ------
        DefinitionError
            With the remedy.

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
        return any(module == one or module.startswith(f"{one}.") for one in self.allowed)


@contextlib.contextmanager
def _importable(home: str | None) -> Iterator[None]:
    """Let modules of a directory be imported: after all others, so that none of theirs is hidden by one of it."""
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
