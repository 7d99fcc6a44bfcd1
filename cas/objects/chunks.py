"""Content-defined chunking: the one module that knows pyfastcdc (docs/format.md, Blobs and chunk maps).

FastCDC after Xia et al., "FastCDC: a Fast and Efficient Content-Defined Chunking Approach for Data
Deduplication" (USENIX ATC 2016), in the two-bytes-a-step form of its 2020 successor.
"""

from __future__ import annotations

import threading
from typing import Any

from cas.errors import UnsupportedFormat

__all__ = ["MAX_CHUNK", "SMALL", "cut"]

SMALL = 64 * 1024
"""A blob of at most this many bytes is never cut."""
_MIN_CHUNK = 16 * 1024
_AVERAGE = 64 * 1024
MAX_CHUNK = 256 * 1024

_local = threading.local()


def cut(view: memoryview, *, last: bool) -> list[int]:
    """The lengths of the chunks of a stretch of bytes that begins at a boundary.

    Unless it is the ``last`` stretch, the bytes from which a later byte could still move a boundary are
    left over; the next stretch begins with them. Raises UnsupportedFormat without pyfastcdc's extension.
    """
    cutter: Any = getattr(_local, "cutter", None) or _new_cutter()
    lengths: list[int] = [chunk.length for chunk in cutter.cut_buf(view)]
    if not last:
        end = sum(lengths)
        while lengths and end - lengths[-1] + MAX_CHUNK > len(view):
            end -= lengths.pop()
    return lengths


def _new_cutter() -> Any:
    try:
        from pyfastcdc.cy import FastCDC
    except ImportError as error:
        raise UnsupportedFormat(
            "pyfastcdc is installed without its compiled extension, which cuts 300 times faster",
            hint="pip install --force-reinstall --only-binary :all: pyfastcdc",
        ) from error
    _local.cutter = FastCDC(_AVERAGE, min_size=_MIN_CHUNK, max_size=MAX_CHUNK, normalized_chunking=1, seed=0)
    return _local.cutter
