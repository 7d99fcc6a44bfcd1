"""Work for ``async`` code, done in threads so that the event loop goes on: functions that touch the disk, and spans
that are opened and closed there. The context (current span, current repository) goes along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Token, copy_context
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from cas.spans.calls import CALL
from cas.spans.current import STACK

if TYPE_CHECKING:
    from cas.repository.spanning import ActiveSpan

__all__ = ["SpanInThread", "threaded"]

P = ParamSpec("P")
R = TypeVar("R")


class SpanInThread:
    """An ``async with`` block that is a span: ``enter``, run in a thread, makes and enters it."""

    def __init__(self, enter: Callable[[], ActiveSpan]) -> None:
        self._enter = enter
        self._active: ActiveSpan | None = None
        self._token: Token[tuple[ActiveSpan, ...]] | None = None
        self._is_left = False

    async def leave(self, last: Callable[[], R]) -> R:
        """Do the ``last`` thing of the block, and close the span in the same thread: well, if it went well."""
        active = self._left()

        def work() -> R:
            try:
                result = last()
            except BaseException as error:
                active.__exit__(type(error), error, error.__traceback__)
                raise
            active.__exit__(None, None, None)
            return result

        call = _Call()
        token = CALL.set(call.check)
        working = _started(work)
        CALL.reset(token)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            call.is_given_up = True
            await asyncio.wait([working])
            raise

    async def __aenter__(self) -> ActiveSpan:
        opening = _started(self._enter)
        try:
            active = await asyncio.shield(opening)
        except asyncio.CancelledError as cancelled:
            # The thread goes on: what it opens nobody else would close.
            active = await opening
            await _started(partial(active.__exit__, type(cancelled), cancelled, None))
            raise
        # The thread had a copy of the context: the task itself enters the span here.
        self._active, self._token = active, STACK.push(active)
        return active

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_left:
            return
        # A task that is being cancelled waits for its span to close all the same.
        closing = _started(partial(self._left().__exit__, kind, error, trace))
        try:
            await asyncio.shield(closing)
        except asyncio.CancelledError:
            await closing
            raise

    def _left(self) -> ActiveSpan:
        """The span, which the task leaves now."""
        assert self._active is not None
        assert self._token is not None
        STACK.pop(self._active, self._token)
        self._is_left = True
        return self._active


def _started(function: Callable[[], R]) -> asyncio.Future[R]:
    """A function that runs in a thread from now on, in a copy of the context."""
    return asyncio.get_running_loop().run_in_executor(None, copy_context().run, function)


class _Call:
    """One call in a thread, which the task that awaits it may give up."""

    def __init__(self) -> None:
        self.is_given_up = False

    def check(self) -> None:
        if self.is_given_up:
            raise asyncio.CancelledError("the task that awaited this was cancelled")


async def threaded(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in a thread. It cannot be stopped there, but once its task is cancelled it stores nothing."""
    call = _Call()
    token = CALL.set(call.check)
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    except asyncio.CancelledError:
        call.is_given_up = True
        raise
    finally:
        CALL.reset(token)
