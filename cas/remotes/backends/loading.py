"""Client libraries, loaded on first use; a missing one is said with the line that installs it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
from typing import Any

from cas.errors import UnsupportedRemote

__all__ = ["installed", "load"]


def load(module: str, scheme: str, extra: str) -> Any:
    """The module. Raises UnsupportedRemote where it is not installed."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UnsupportedRemote(
            f"{scheme}:// needs the package {module.partition('.')[0]!r}, which is not installed",
            hint=f"pip install 'cas-store[{extra}]'",
        ) from error
    # Without any handler the logging module would print a library's complaints to the terminal; they reach the
    # user as errors.
    logging.getLogger(module.partition(".")[0]).addHandler(logging.NullHandler())
    return found


def installed(module: str) -> bool:
    """Whether the module could be loaded, without loading it."""
    return importlib.util.find_spec(module) is not None
