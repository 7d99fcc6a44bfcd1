"""A store of objects in a temporary directory, and values through it and back."""

from __future__ import annotations

import pytest

from cas.literals import registry
from cas.literals.codec import Decoding
from cas.models import codec
from cas.objects.store import ObjectStore


class Shelf:
    """Encodes into a store, seals, and decodes again."""

    def __init__(self, directory):
        self.store = ObjectStore(directory)
        self.writer = self.store.writer()

    def put(self, value):
        literal = registry.encode(value, self.writer)
        self.writer.seal()
        return literal

    def get(self, literal):
        return registry.decode(literal, self.store)

    def trip(self, value):
        return self.get(self.put(value))

    def read(self, literal, **options):
        def child(member):
            return registry.decode(member, self.store)

        return codec.read_model(literal, Decoding(self.store, False, child), **options)


@pytest.fixture
def shelf(tmp_path):
    made = Shelf(tmp_path / "objects")
    yield made
    made.store.close()
