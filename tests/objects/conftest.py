from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from cas.objects.store import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def noise() -> Callable[[int, int], bytes]:
    """Bytes that do not compress, the same for the same seed."""

    def make(size: int, seed: int = 0) -> bytes:
        return random.Random(seed).randbytes(size)

    return make
