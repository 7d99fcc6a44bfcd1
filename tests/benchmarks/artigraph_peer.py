"""Artigraph 0.1.0 beside us: run by its own interpreter, prints its seconds as one line of JSON.

python artigraph_peer.py DIRECTORY TMPFS COUNT DEPTH
"""

from __future__ import annotations

import asyncio
import json
import sys
from itertools import pairwise
from time import perf_counter

from artigraph import (
    GraphModel,
    Link,
    Linker,
    ModelFilter,
    Node,
    NodeFilter,
    OrmNode,
    dataclass,
    read,
    set_engine,
    write_many,
    write_one,
)
from artigraph.core.api.funcs import orm_read


@dataclass
class Made(GraphModel, version=1):
    number: int
    text: str = "a"


async def main(directory: str, tmpfs: str, count: int, depth: int) -> dict[str, float]:
    took: dict[str, float] = {}
    use(f"{tmpfs}/one-by-one.db")
    began = perf_counter()
    for number in range(count):
        await write_one.a(Made(number))
    took["one by one"] = perf_counter() - began

    use(f"{directory}/batch.db")
    made = [Made(number) for number in range(count)]
    began = perf_counter()
    await write_many.a(made)
    took["batch"] = perf_counter() - began
    began = perf_counter()
    assert len(await read.a(Made, ModelFilter(model_type=Made))) == count
    took["read"] = perf_counter() - began

    use(f"{directory}/spans.db")
    began = perf_counter()
    root = await fan_out(count)
    took["spans"] = perf_counter() - began
    # Its own `read` of descendants fails (two common table expressions of one name): these are the query within it and
    # the making of what it would return.
    began = perf_counter()
    assert len(await found(NodeFilter(descendant_of=root.graph_id))) == count
    took["descendants"] = perf_counter() - began

    use(f"{directory}/spans-batch.db")
    nodes = [Node() for _ in range(count + 1)]
    links = [
        Link(source_id=nodes[number // 10].graph_id, target_id=one.graph_id) for number, one in enumerate(nodes[1:])
    ]
    began = perf_counter()
    await write_many.a([*nodes, *links])
    took["spans in one batch"] = perf_counter() - began

    line = [Node() for _ in range(depth + 1)]
    await write_many.a(
        [
            *line,
            *(Link(source_id=above.graph_id, target_id=below.graph_id) for above, below in pairwise(line)),
        ]
    )
    began = perf_counter()
    assert len(await found(NodeFilter(ancestor_of=line[-1].graph_id))) == depth
    took["ancestors"] = perf_counter() - began
    return took


async def found(where: NodeFilter) -> list[Node]:
    return list(await Node.graph_load(await orm_read(OrmNode, where), {}))


def use(path: str) -> None:
    set_engine(f"sqlite+aiosqlite:///{path}", create_tables=True)


async def fan_out(count: int) -> Node:
    """Spans inside spans, ten in each, until there are so many below the root."""
    left = count

    async def inside(depth: int) -> None:
        nonlocal left
        for _ in range(10):
            if not left:
                return
            left -= 1
            async with Linker(Node(), f"span{left}"):
                if depth:
                    await inside(depth - 1)

    async with Linker(Node()) as root:
        while left:
            await inside(3)
    return root.node


if __name__ == "__main__":
    where, fast, many, deep = sys.argv[1:]
    print(json.dumps(asyncio.run(main(where, fast, int(many), int(deep)))))
