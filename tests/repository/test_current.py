"""The current repository, of threads and tasks that are inside the same one at once."""

import asyncio
import threading
from pathlib import Path

import cas
from cas.repository import Repository, init


def two(tmp_path: Path) -> tuple[Repository, Repository]:
    return init(tmp_path / "a"), init(tmp_path / "b")


def test_blocks_nest(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    with first:
        with second, first:
            assert cas.current() is first
        assert cas.current() is first
        with second:
            cas.use(first)
            assert cas.current() is first
        assert cas.current() is first


def test_threads_are_inside_one_repository_at_once(tmp_path: Path) -> None:
    first, second = two(tmp_path)
    turns = threading.Barrier(2, timeout=30)
    seen: list[bool] = []

    def enter(order: int) -> None:
        with second:
            if order:
                turns.wait()
            with first:
                if not order:
                    turns.wait()
                turns.wait()
                seen.append(cas.current() is first)
                if order:
                    turns.wait()
            seen.append(cas.current() is second)
            if not order:
                turns.wait()

    threads = [threading.Thread(target=enter, args=(order,)) for order in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [True] * 4


def test_tasks_are_inside_one_repository_at_once(tmp_path: Path) -> None:
    first, second = two(tmp_path)

    async def inside(wait: float) -> list[bool]:
        with first:
            await asyncio.sleep(wait)
            seen = [cas.current() is first]
            with second:
                await asyncio.sleep(0.01)
                seen.append(cas.current() is second)
            return [*seen, cas.current() is first]

    async def every() -> list[list[bool]]:
        return await asyncio.gather(*(inside(wait) for wait in (0.02, 0, 0.01)))

    assert asyncio.run(every()) == [[True, True, True]] * 3


def test_a_block_that_another_task_leaves_changes_nothing_there(tmp_path: Path) -> None:
    first, second = two(tmp_path)

    async def main() -> None:
        cas.use(second)
        await asyncio.create_task(asyncio.to_thread(first.__enter__))
        first.__exit__(None, None, None)
        assert cas.current() is second

    asyncio.run(main())
