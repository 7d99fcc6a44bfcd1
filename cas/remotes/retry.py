"""Trying again: how often, and how long to wait between."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

__all__ = ["Retry", "wait_turn"]

_LONGEST_TURN = 4.0


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


def wait_turn(lost: int, took: float, others: int) -> None:
    """Wait after a race for the next number of a log was lost, ``lost`` times in a row; an attempt ``took`` seconds.

    ``others`` are the segments that others wrote since this writer's last one. Writers who met would go on meeting, so
    each waits any time up to what as many attempts take, and twice that after each further loss. While most wait, the
    others publish undisturbed, and who waited reads all of that in few requests.
    """
    time.sleep(random.uniform(0, min(_LONGEST_TURN, took * max(1, others) * 2.0 ** min(lost - 1, 20))))
