"""Fixtures of the literals room: a real store."""

import pytest

from cas.objects.store import ObjectStore


@pytest.fixture
def writer(tmp_path):
    """A writer of a new store; ``writer.store`` reads what it put."""
    store = ObjectStore(tmp_path / "objects")
    writer = store.writer()
    yield writer
    writer.abort()
    store.close()
