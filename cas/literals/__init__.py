"""Codecs: Python values ↔ objects. Everything heavy is imported when a value first needs it."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cas.literals.codec import Codec
    from cas.literals.files import File, Tree
    from cas.literals.literal import Literal
    from cas.literals.registry import decode, encode, encode_many, register, registered

__all__ = ["Codec", "File", "Literal", "Tree", "decode", "encode", "encode_many", "register", "registered"]

_MODULES = {"Codec": "codec", "File": "files", "Literal": "literal", "Tree": "files"}


def __getattr__(name: str) -> object:
    """Load a public name at first use: a literal's id costs no codec."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"cas.literals.{_MODULES.get(name, 'registry')}"), name)
