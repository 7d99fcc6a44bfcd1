"""Trying again: how often, and how long to wait between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Retry"]


class Retry(NamedTuple):
    """How often: ``attempts`` in all; and how long to wait between.

    ``first`` seconds after the first attempt, twice as long after each, at most ``longest``.
    """

    attempts: int = 6
    first: float = 0.2
    longest: float = 8.0
    sleep: Callable[[float], None] = time.sleep

    def rounds(self) -> Iterator[int]:
        """The number of each attempt, from 0; waits before each but the first.

        Waits are spread over half to all of their length, so that writers who collided do not collide again.
        """
        for attempt in range(self.attempts):
            if attempt:
                pause = min(self.longest, self.first * 2.0 ** (attempt - 1))
                self.sleep(pause * random.uniform(0.5, 1.0))
            yield attempt
