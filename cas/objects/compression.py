"""zstd where it pays: a cheap probe, then level 1 (docs/format.md, Packs and Blobs).

A compressed payload is stored as ``size:u32 check:4 bytes frame``; ``check`` begins the BLAKE3 of the frame,
because zstd ignores some bits of a frame and a flip of one must still be found.
"""

from __future__ import annotations

import struct
import threading
from typing import TYPE_CHECKING

from blake3 import blake3

from cas.errors import CorruptObject, LimitExceeded

if TYPE_CHECKING:
    import zstandard

__all__ = ["MIN_SIZE", "Prober", "check_frame", "compress", "expand"]

MIN_SIZE = 256
_PROBED = 16 * 1024
_SLICE = 1024
_HEAD = struct.Struct("<I4s")
_local = threading.local()


class Prober:
    """Decides payload by payload whether to compress; asks less often while the answer stays no."""

    def __init__(self) -> None:
        self._misses = 0
        self._waiting = 0

    def __call__(self, payload: bytes | memoryview) -> bytes | None:
        """The stored form of a payload that shrinks by an eighth or more, else None."""
        if self._waiting:
            self._waiting -= 1
            return None
        stored = compress(payload)
        if stored is None:
            self._misses += 1
            self._waiting = min(self._misses, 16) - 1
        else:
            self._misses = 0
        return stored


def compress(payload: bytes | memoryview) -> bytes | None:
    """The stored form of a payload, or None where that would not save an eighth."""
    size = len(payload)
    if size < MIN_SIZE:
        return None
    compressor: zstandard.ZstdCompressor = getattr(_local, "compressor", None) or _new_compressor()
    if size > _PROBED:
        step = size // 4
        sample = b"".join([payload[start : start + _SLICE] for start in range(step // 2, size, step)])
        if len(compressor.compress(sample)) * 16 > len(sample) * 15:
            return None
    frame = compressor.compress(payload)
    if len(frame) + _HEAD.size > size - size // 8:
        return None
    return _HEAD.pack(size, blake3(frame).digest(4)) + frame


def expand(stored: bytes | memoryview, limit: int) -> bytes:
    """The payload of a compressed entry, of at most ``limit`` bytes. Raises CorruptObject, LimitExceeded."""
    import zstandard

    if len(stored) < _HEAD.size:
        raise CorruptObject("a compressed entry is too short")
    size, _ = _HEAD.unpack_from(stored)
    if size > limit:
        raise LimitExceeded(f"a compressed entry claims {size} bytes; at most {limit} are allowed")
    frame = stored[_HEAD.size :]
    decompressor: zstandard.ZstdDecompressor = getattr(_local, "decompressor", None) or _new_decompressor()
    try:
        # One-shot decompression allocates what the frame declares: compare that first.
        if zstandard.frame_content_size(frame) != size:
            raise CorruptObject("a compressed entry and its frame disagree about the size")
        payload = decompressor.decompress(frame, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise CorruptObject(f"a compressed entry does not expand: {error}") from error
    if len(payload) != size:
        raise CorruptObject("a compressed entry does not have the size it claims")
    return payload


def check_frame(stored: bytes | memoryview) -> bool:
    """Whether a compressed entry's frame is bit for bit what was written."""
    return len(stored) >= _HEAD.size and blake3(stored[_HEAD.size :]).digest(4) == bytes(stored[4:8])


def _new_compressor() -> zstandard.ZstdCompressor:
    import zstandard

    _local.compressor = zstandard.ZstdCompressor(level=1, write_checksum=False, write_content_size=True)
    return _local.compressor  # type: ignore[no-any-return]  # threading.local is untyped


def _new_decompressor() -> zstandard.ZstdDecompressor:
    import zstandard

    _local.decompressor = zstandard.ZstdDecompressor()
    return _local.decompressor  # type: ignore[no-any-return]  # threading.local is untyped
