"""Modules that are imported at their first use, so that starting up costs no more than what is asked for.

A module that needs this says, in one place at its top, which modules it uses late::

    if TYPE_CHECKING:
        from cas.repository import history, lineage
    else:
        history, lineage = late("cas.repository", "history lineage")
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType
from typing import Any

__all__ = ["late"]


class _Late:
    """Stands for a module until something of it is asked for."""

    __slots__ = ("_module", "_name")

    def __init__(self, name: str) -> None:
        self._name = name
        self._module: ModuleType | None = None

    def __getattr__(self, attribute: str) -> Any:
        if self._module is None:
            self._module = import_module(self._name)
        return getattr(self._module, attribute)

    def __repr__(self) -> str:
        return f"<late module {self._name}>"


def late(package: str, names: str) -> list[Any]:
    """A stand-in for each module of a package, by its name."""
    return [_Late(f"{package}.{name}") for name in names.split()]
