"""Modules that are imported at their first use, so that starting up costs no more than what is asked for.

A module that needs this says, in one place at its top, which modules it uses late::

    if TYPE_CHECKING:
        from cas.repository import history, lineage
    else:
        history, lineage = late("cas.repository", "history lineage")
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

__all__ = ["late"]


class _Late:
    """Stands for a module until something of it is asked for; then the module takes its place."""

    __slots__ = ("_name", "_space")

    def __init__(self, name: str, space: dict[str, Any]) -> None:
        self._name = name
        self._space = space

    def __getattr__(self, attribute: str) -> Any:
        module = import_module(self._name)
        for name in [name for name, value in list(self._space.items()) if value is self]:
            self._space[name] = module
        return getattr(module, attribute)

    def __repr__(self) -> str:
        return f"<late module {self._name}>"


def late(package: str, names: str) -> list[Any]:
    """A stand-in for each module of a package, by its name; for the globals of the module that calls it."""
    space = sys._getframe(1).f_globals
    return [_Late(f"{package}.{name}", space) for name in names.split()]
