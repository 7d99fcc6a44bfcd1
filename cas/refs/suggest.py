"""Near misses: what somebody may have meant by a name that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

from cas.refs.names import collision_key

__all__ = ["near_misses"]

LIMIT = 20_000  # candidates compared: an answer to a typing slip must not take longer than the question


def near_misses(text: str, candidates: Iterable[str], *, count: int = 3) -> tuple[str, ...]:
    """The candidates closest to the text, best first: twins by case, then those that share most of its letters."""
    from difflib import SequenceMatcher
    from itertools import islice

    wanted = collision_key(text)
    matcher: SequenceMatcher[str] = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    scored = []
    for candidate in islice(dict.fromkeys(candidates), LIMIT):
        key = collision_key(candidate)
        if key == wanted:
            scored.append((2.0, candidate))
            continue
        matcher.set_seq1(key)
        if matcher.real_quick_ratio() >= 0.6 and matcher.quick_ratio() >= 0.6:
            score = matcher.ratio()
            if score >= 0.6:
                scored.append((score, candidate))
    scored.sort(key=lambda pair: (-pair[0], pair[1]))
    return tuple(candidate for _, candidate in scored[:count])
