import pytest


class MemoryStore:
    """A store in a dict: what the ref log asks of one, and no more."""

    def __init__(self, files=None):
        self.files = {} if files is None else files

    def list(self, prefix):
        return iter([File(name) for name in sorted(self.files) if name.startswith(prefix)])

    def exists(self, name):
        return name in self.files

    def read(self, name):
        if name not in self.files:
            raise FileNotFoundError(name)
        return self.files[name]

    def create(self, name, content):
        return self.files.setdefault(name, content) is content


class File:
    def __init__(self, name):
        self.name = name


@pytest.fixture
def memory():
    return MemoryStore()


@pytest.fixture(scope="session")
def memory_store():
    return MemoryStore
