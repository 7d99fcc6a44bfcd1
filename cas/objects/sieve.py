"""Which keys surely lie in none of some packs.

Whoever writes objects one by one asks every pack for each of them, nearly always in vain, and a repository has dozens
of packs. A bit for each value that a key's first bits can have, set where some pack has such a key, answers for all
packs at once (a Bloom filter of one hash, since keys are hashes; Bloom, "Space/time trade-offs in hash coding", 1970).
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cas.objects.packs import Pack

__all__ = ["Sieve", "Sieves"]

_BITS_A_KEY = 32  # at least when it is made; with half as many it is made anew
_LEAST, _MOST = 16, 28  # bits of a key that count: 8 KiB to 32 MiB of table
# So many look-ups in packs take as long as loading numpy and making a sieve of a million keys.
_WORTH = 100_000
_AT_ONCE = 8  # of many keys looked up at once, as many take as long as one does alone


class Sieves:
    """The sieve of a store's packs, once it pays: when so many look-ups were made that they cost what it will."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Sieve | None = None
        self._packs: tuple[Pack, ...] | None = None  # that the newest is of
        self._look_ups = 0

    def of(self, packs: tuple[Pack, ...], keys: int = 1) -> Sieve | None:
        """The sieve of the packs, for who looks up so many keys at once; None where it does not pay yet."""
        if self._packs is packs:
            return self._newest
        self._look_ups += len(packs) * keys // (_AT_ONCE if keys > _AT_ONCE else 1)
        if self._look_ups < _WORTH:
            return None
        with self._lock:
            self._newest = Sieve(packs, self._newest)
            self._packs = packs
            return self._newest

    def let_go(self) -> None:
        """Let go of packs, some of which may be gone; what is known of them serves for the next sieve."""
        self._packs = None


class Sieve:
    """Which keys may be in some packs. Immutable once made, so that any thread may ask; made with numpy."""

    def __init__(self, packs: tuple[Pack, ...], before: Sieve | None = None) -> None:
        """The sieve of the packs, made by adding to the one from ``before`` where that has room."""
        count = sum(map(len, packs))
        fresh: Iterable[Pack] = packs
        self._bits = min(max((count * _BITS_A_KEY).bit_length(), _LEAST), _MOST)
        self._table = b""
        self._taken: frozenset[str] = frozenset()
        self._keys = 0
        if before is not None and before._has_room(count):
            self._bits, self._table, self._taken, self._keys = before._bits, before._table, before._taken, before._keys
            fresh = [pack for pack in packs if pack.name not in before._taken]
        else:
            self._table = bytes(1 << (self._bits - 3))
        self._shift = 64 - self._bits
        for pack in fresh:
            self._take_in(pack)

    def may_hold(self, key: bytes) -> bool:
        """Whether a key may be in one of the packs; False is certain."""
        place = int.from_bytes(key[:8], "big") >> self._shift
        return bool(self._table[place >> 3] >> (place & 7) & 1)

    def sift(self, keys: Collection[bytes]) -> list[bytes]:
        """Those of the keys that may be in one of the packs."""
        import numpy as np

        every = list(keys)
        places = np.frombuffer(b"".join(every), ">u8")[::4].astype(np.uint64) >> np.uint64(self._shift)
        cells = np.frombuffer(self._table, np.uint8)[places >> np.uint64(3)]
        there = cells >> (places & np.uint64(7)).astype(np.uint8) & np.uint8(1)
        return [every[place] for place in np.flatnonzero(there).tolist()]

    def _has_room(self, count: int) -> bool:
        """Whether it does for so many keys: enough bits, and not many of packs that are gone."""
        bits_suffice = self._bits == _MOST or count * _BITS_A_KEY // 2 <= 1 << self._bits
        return bits_suffice and self._keys <= 2 * count

    def _take_in(self, pack: Pack) -> None:
        import numpy as np

        keys = np.frombuffer(pack.prefixes(), ">u8").astype(np.uint64)
        there: Any = np.zeros(1 << self._bits, bool)
        there[keys >> np.uint64(self._shift)] = True
        self._table = (np.frombuffer(self._table, np.uint8) | np.packbits(there, bitorder="little")).tobytes()
        self._taken |= {pack.name}
        self._keys += len(keys)
