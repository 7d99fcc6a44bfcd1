"""What a span resolved, to the artifact: exported as a lock, and replayed by a later run.

    lock = lock_of(repo, "%8c01de")     {"cas-lock": 1, "span": …, "resolutions": [{asked, artifact, literal, ref} …]}
    with replaying(lock): …             inside, each ref and query that was asked then is what it was then

What the span itself had made is no part of it: a run that is repeated makes its own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cas.errors import NotFound, ObjectNotFound, RefNotFound, RefSyntax, StorageError, UsageError
from cas.refs import grammar
from cas.repository.current import LOCK

if TYPE_CHECKING:
    from cas.repository.info import SomeSpan
    from cas.repository.repository import Repository
    from cas.repository.version import ArtifactVersion

__all__ = ["Lock", "lock_of", "made_in_this_run", "read_lock", "replaying", "write_toml"]

FORMAT = 1
_FIELDS = ("asked", "artifact", "literal", "ref")
_ID = re.compile("[0-9a-f]{64}")


class Lock:
    """The resolutions of a span, by what was asked; a thing asked several times gives its answers in their order."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.span = str(form.get("span", ""))
        self._answers: dict[str, list[Mapping[str, Any]]] = {}
        for one in form["resolutions"]:
            self._answers.setdefault(_canonical(one["asked"]), []).append(one)
        self._made = {_canonical(asked) for asked in form.get("made", ())}
        self._given: dict[str, int] = {}
        self._versions: dict[str, ArtifactVersion] = {}

    def has(self, repository: Repository, asked: str) -> bool:
        """Whether the span resolved this."""
        key = _canonical(asked, repository)
        return key in self._answers or key in self._made

    def answer(self, repository: Repository, asked: str) -> ArtifactVersion | None:
        """What a ref or query was; None for what the span made itself, which is looked up as ever.

        Raises RefNotFound where the lock does not have it, or the repository not what the lock says.
        """
        key = _canonical(asked, repository)
        answers = self._answers.get(key)
        if answers is None:
            if key in self._made:
                return None
            raise RefNotFound(
                f"{asked!r} is not in the lock of span {self.span[:12] or '?'}",
                hint="the run asks for something that the locked one did not",
            )
        place = self._given.get(key, 0)
        self._given[key] = place + 1
        return self._version(repository, answers[min(place, len(answers) - 1)])

    def tips(
        self, repository: Repository, live: Iterable[ArtifactVersion], fits: Callable[[ArtifactVersion], bool]
    ) -> list[ArtifactVersion]:
        """What a search finds in place of ``live``: the versions of the lock that fit, and of ``live`` those that this
        very run has made. Of each partition it is the newest one.
        """
        for answers in self._answers.values():
            for one in answers:
                if one["artifact"] not in self._versions:
                    self._versions[one["artifact"]] = self._version(repository, one)
        found = [one for one in self._versions.values() if one.name is not None and fits(one)]
        found += made_in_this_run(repository, live)
        found.sort(key=lambda one: one.stamp or 0)
        return list({(one.project, one.domain, one.name, one.partition): one for one in found}.values())

    def _version(self, repository: Repository, one: Mapping[str, Any]) -> ArtifactVersion:
        artifact = bytes.fromhex(one["artifact"])
        version = repository.version_of(artifact, one.get("ref"))
        try:
            there = repository.record(artifact).literal.id.hex() == one["literal"]
        except ObjectNotFound:
            there = False
        if not there:
            raise RefNotFound(
                f"the lock gives {one['asked']!r} as {one.get('ref') or one['artifact'][:12]} "
                f"({one['artifact'][:12]}), which is not in {repository.root}",
                hint="bring it here: cas pull, or cas fetch with its id",
            )
        return version


def made_in_this_run(repository: Repository, versions: Iterable[ArtifactVersion]) -> list[ArtifactVersion]:
    """Those of the versions that were made in a span inside one of those around the caller."""
    around = {span.id: span.state.opened.time for span in repository.spans_around()}
    if not around:
        return []
    since = min(around.values())
    return [one for one in versions if (one.stamp or 0) >= since and _is_inside(repository, one.span, around)]


def _is_inside(repository: Repository, span: str | None, around: Container[str]) -> bool:
    while span is not None and span not in around:
        span = repository.span_info(span).parent
    return span is not None


def lock_of(repository: Repository, span: str | SomeSpan) -> dict[str, Any]:
    """Every resolution that a span and those inside it made, as JSON values. Raises SpanNotFound, AmbiguousRef."""
    info = repository.span_info(span)
    inside = [info.id, *(row.id.hex() for row in repository.catalog.spans().descendants(bytes.fromhex(info.id)))]
    resolutions: dict[tuple[str, str], dict[str, str]] = {}
    made: dict[str, None] = {}
    # Content that a ref held already is no new artifact, so that a run may make what an earlier one had made.
    own = {version.id for one in inside for version in repository.outputs(one)}
    for one in inside:
        for link in repository.inputs(one):
            if link.artifact is None or link.literal is None:
                continue
            asked = link.asked or link.ref or link.artifact
            if link.artifact in own:
                made[asked] = None
                continue
            row = {"asked": asked, "artifact": link.artifact, "literal": link.literal, "ref": link.ref or ""}
            resolutions.setdefault((_canonical(asked, repository), link.artifact), row)
    return {
        "cas-lock": FORMAT,
        "span": info.id,
        "label": info.label,
        "resolutions": list(resolutions.values()),
        "made": list(made),
    }


def read_lock(given: str | os.PathLike[str] | Mapping[str, Any]) -> Lock:
    """A lock from what :func:`lock_of` gave, or a file of it, JSON or TOML. Raises UsageError where it is none."""
    where = "the lock"
    if not isinstance(given, (str, os.PathLike, Mapping)):
        raise UsageError(f"a lock is a file or what repo.lock_of(span) gave, not {given!r:.80}")
    if not isinstance(given, Mapping):
        where = os.fspath(given)
        given = _parsed(Path(where))
    if given.get("cas-lock") != FORMAT or not isinstance(given.get("resolutions"), list):
        raise UsageError(f"{where} is no lock of format {FORMAT}", hint="make one: cas lock %SPAN > lock.json")
    for one in given["resolutions"]:
        if not isinstance(one, Mapping) or not all(isinstance(one.get(field), str) for field in _FIELDS):
            raise UsageError(f"{where}: a resolution has the texts {', '.join(_FIELDS)}; this one is {one!r:.120}")
        if not all(_ID.fullmatch(one[field]) for field in ("artifact", "literal")):
            raise UsageError(f"{where}: artifact and literal are ids of 64 hex digits; not all are in {one!r:.200}")
    return Lock(given)


@contextmanager
def replaying(lock: Lock | None) -> Iterator[None]:
    """Inside the block, resolve refs and queries by a lock; None: as ever."""
    if lock is None:
        yield
        return
    token = LOCK.set(lock)
    try:
        yield
    finally:
        LOCK.reset(token)


def write_toml(form: Mapping[str, Any]) -> str:
    """A lock as TOML."""
    import tomli_w

    return tomli_w.dumps(form)


def _parsed(path: Path) -> Mapping[str, Any]:
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise NotFound(f"no such file: {path}", hint="make a lock: cas lock %SPAN > lock.json") from None
    except (OSError, UnicodeDecodeError) as error:
        said = (error.strerror or "").lower() if isinstance(error, OSError) else "it is no text"
        raise StorageError(f"cannot read {path}: {said or error}", hint="give what cas lock wrote") from None
    try:
        if path.suffix == ".toml" or not content.lstrip().startswith("{"):
            import tomli

            return tomli.loads(content)
        found = json.loads(content)
    except ValueError as error:
        raise UsageError(f"{path} is neither JSON nor TOML: {error}") from None
    return found if isinstance(found, dict) else {}


def _canonical(asked: str, repository: Repository | None = None) -> str:
    """One text for all spellings of a ref; what is no ref stays as it is."""
    try:
        revision = grammar.parse(asked)
    except RefSyntax:
        return asked
    if repository is not None and (revision.project, revision.domain) == (repository.project, repository.domain):
        revision = revision._replace(project=None, domain=None)
    return grammar.format(revision._replace(path=revision.path if revision.span is not None else None))
