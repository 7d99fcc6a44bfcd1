"""What an exchange did: plain, frozen answers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["Conflict", "Outside", "Transfer"]


@dataclass(frozen=True)
class Conflict:
    """A stored conflict: ``ref`` (``name@k=v#version`` or ``#alias``), what it is (``alias`` or ``version``), and both
    candidates: the versions an alias is at, or the artifact ids that a version name has."""

    ref: str
    kind: str
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class Outside:
    """What one storage outside the repository keeps of what was pushed: how many values, their bytes, and how many of
    them are copied along."""

    storage: str
    objects: int
    bytes: int
    copied: int = 0


@dataclass(frozen=True)
class Transfer:
    """What a fetch, pull or push moved. Sizes in bytes, as stored; ``dry`` where nothing was moved, only counted."""

    remote: str
    url: str
    objects: int = 0
    bytes: int = 0
    packs: int = 0
    segments: int = 0
    entries: int = 0
    conflicts: tuple[Conflict, ...] = ()
    missing: tuple[str, ...] = ()
    """Refs that were left out because an object of theirs is nowhere."""
    dry: bool = False
    outside: tuple[Outside, ...] = ()
    """Of a push: what other storages keep, which is only copied where that was asked for."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON values."""
        form = asdict(self)
        form["conflicts"] = [
            {"ref": one.ref, "kind": one.kind, "candidates": list(one.candidates)} for one in self.conflicts
        ]
        form["missing"] = list(self.missing)
        form["outside"] = [asdict(one) for one in self.outside]
        return form
