"""cas: git for artifacts.

Values are immutable, content-addressed objects; ``name@partition`` refs with versions point at them; spans record which
run made what from what. Start with :func:`init`, :meth:`Repository.put` and :meth:`Repository.get`.

Everything is loaded on first use, so ``import cas`` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cas.errors import CasError as CasError
    from cas.literals.codec import Codec as Codec
    from cas.literals.files import File as File
    from cas.literals.files import Tree as Tree
    from cas.literals.registry import register as register
    from cas.objects.hashing import hash_file as hash_file
    from cas.refs.partitions import Granularity as Granularity
    from cas.repository.current import current as current
    from cas.repository.current import use as use
    from cas.repository.functions import alias as alias
    from cas.repository.functions import declare as declare
    from cas.repository.functions import delete as delete
    from cas.repository.functions import find as find
    from cas.repository.functions import get as get
    from cas.repository.functions import log as log
    from cas.repository.functions import put as put
    from cas.repository.functions import put_many as put_many
    from cas.repository.functions import resolve as resolve
    from cas.repository.functions import span as span
    from cas.repository.opening import init as init
    from cas.repository.opening import open_repository as open  # noqa: A004 - cas.open, as users write it
    from cas.repository.repository import ANY as ANY
    from cas.repository.repository import Repository as Repository
    from cas.repository.version import ArtifactVersion as ArtifactVersion

_PLACES = {
    "ANY": "cas.repository.repository",
    "ArtifactVersion": "cas.repository.version",
    "CasError": "cas.errors",
    "Codec": "cas.literals.codec",
    "File": "cas.literals.files",
    "Granularity": "cas.refs.partitions",
    "Repository": "cas.repository.repository",
    "Tree": "cas.literals.files",
    "alias": "cas.repository.functions",
    "current": "cas.repository.current",
    "declare": "cas.repository.functions",
    "delete": "cas.repository.functions",
    "find": "cas.repository.functions",
    "get": "cas.repository.functions",
    "hash_file": "cas.objects.hashing",
    "init": "cas.repository.opening",
    "log": "cas.repository.functions",
    "put": "cas.repository.functions",
    "put_many": "cas.repository.functions",
    "register": "cas.literals.registry",
    "resolve": "cas.repository.functions",
    "span": "cas.repository.functions",
    "use": "cas.repository.current",
}

__all__ = [*_PLACES, "open"]  # noqa: PLE0604 - names of functions that __getattr__ finds


def __getattr__(name: str) -> Any:
    if name == "open":
        found = import_module("cas.repository.opening").open_repository
    elif name in _PLACES:
        found = getattr(import_module(_PLACES[name]), name)
    else:
        raise AttributeError(f"module 'cas' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
