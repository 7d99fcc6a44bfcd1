"""Each new version that a plan's trigger matches launches the plan once, exactly.

The ref log says what was launched: ``launches@plan=NAME`` has a version for each triggering version, put in the
very segment that publishes what the launch made. A launch that dies leaves none, publishes nothing, and is done again.

    lock on this machine → not launched yet? → claim in the log (put-if-absent) → run, publish, record: one segment

The lock tells a running launch from a dead one at once; a claim made on another machine is respected for ``lease``
after it was made.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from cas import clock
from cas.errors import DeclarationError, SpanError, UsageError, VersionConflict
from cas.flows import reading
from cas.flows.launch import LaunchPlan, run_plan
from cas.flows.wanted import Wanted
from cas.refs.names import Name
from cas.refs.partitions import Partition
from cas.repository import ArtifactVersion, Repository, recovery
from cas.repository.current import current
from cas.repository.info import SomeSpan

__all__ = ["LAUNCHES", "Launch", "launches", "pending", "run_triggers", "triggered_by", "watch"]

LAUNCHES = "launches"
DEFAULT_LEASE = timedelta(hours=1)


class Launch(NamedTuple):
    """One launch that a trigger made: the plan, the version's ref, "ok" or "failed", the error's text, the result."""

    plan: str
    trigger: str
    status: str
    error: str | None
    result: Any = None


def pending(plan: LaunchPlan, repository: Repository | None = None) -> list[ArtifactVersion]:
    """The versions that match a plan's trigger and have not launched it, oldest first."""
    repo = repository or current()
    done = {record.version for record in _records(repo, plan)}
    return [version for version in _matching(repo, plan) if _key(version) not in done]


def launches(plan: LaunchPlan, repository: Repository | None = None) -> list[dict[str, Any]]:
    """What a plan's trigger has launched, oldest first: trigger, artifact, status, error."""
    repo = repository or current()
    found = [version for version in _records(repo, plan) if "." not in (version.version or "")]
    return [reading.value_of(repo, version) for version in found]


def triggered_by(span: str | SomeSpan, repository: Repository | None = None) -> ArtifactVersion | None:
    """The version that triggered the launch a span is part of; None where no trigger made it."""
    return (repository or current()).triggered_by(span)


def run_triggers(
    plans: Iterable[LaunchPlan], repository: Repository | None = None, *, lease: timedelta = DEFAULT_LEASE
) -> list[Launch]:
    """Launch every plan for every version that has not launched it yet; what others are launching now is left to them.

    A launch that raises is recorded as failed, and not tried again. Raises SpanError inside a span.
    """
    return [one for one in _round(repository or current(), list(_triggered(plans)), lease) if one is not None]


def watch(
    plans: Iterable[LaunchPlan],
    repository: Repository | None = None,
    *,
    interval: float = 1.0,
    lease: timedelta = DEFAULT_LEASE,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[Launch]:
    """Launch what is triggered until ``stop`` says True, looking every ``interval`` seconds; gives each launch."""
    every = list(_triggered(plans))
    repo = repository or current()
    done: object = None  # where the logs stood when nothing was left to launch
    while not stop():
        now = [reading.position(repo, name) for name in _names(repo, every)]
        if now != done:
            left = False
            for launch in _round(repo, every, lease):
                if launch is not None:
                    yield launch
                left = left or launch is None  # to others, who may die of it: then it comes back without a publication
                if stop():
                    return
            done = None if left else now
        time.sleep(interval)


def _round(repo: Repository, plans: Iterable[LaunchPlan], lease: timedelta) -> Iterator[Launch | None]:
    """Launch what is waiting, one by one; None for what was left to others."""
    if repo.current_span() is not None:
        raise SpanError("triggers run outside of spans: what they record must be visible at once")
    for plan in plans:
        for version in pending(plan, repo):
            with repo:
                done = _launch_once(repo, plan, version, lease)
            yield done


def _launch_once(repo: Repository, plan: LaunchPlan, version: ArtifactVersion, lease: timedelta) -> Launch | None:
    """Launch for one version, unless that is done or being done."""
    key = _key(version)
    with _locked(repo.root / "tmp" / f"launch-{_digest(plan.name, key)}.lock") as held:
        if not held:
            return None
        with repo.lock:
            # What a killed launch had decided to publish comes first: it may have been this one.
            recovery.recover(repo)
        claim = None if _is_recorded(repo, plan, key) else _next_claim(repo, plan, key, lease)
        if claim is None:
            return None
        try:
            _put(repo, plan, f"{key}.{claim}", {**_told(plan, version), "host": platform.node()})
            return _run(repo, plan, version, key)
        except VersionConflict:
            return None  # somebody on another machine was faster; what they publish stands


def _run(repo: Repository, plan: LaunchPlan, version: ArtifactVersion, key: str) -> Launch:
    assert plan.trigger is not None
    told = _told(plan, version)
    record = {**told, "status": "ok", "error": None}
    try:
        result = run_plan(
            plan,
            plan.trigger.arguments(version),
            metadata={"trigger": version.ref, "artifact": version.id},
            finish=lambda: _put(repo, plan, key, record),
        )
    except VersionConflict as conflict:
        if _is_recorded(repo, plan, key):
            raise
        return _failed(repo, plan, version, key, conflict)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever it raises is recorded, and the others go on
        return _failed(repo, plan, version, key, error)
    return Launch(plan.name, version.ref, "ok", None, result)


def _failed(repo: Repository, plan: LaunchPlan, version: ArtifactVersion, key: str, error: BaseException) -> Launch:
    text = f"{type(error).__name__}: {error}"
    _put(repo, plan, key, {**_told(plan, version), "status": "failed", "error": text})
    return Launch(plan.name, version.ref, "failed", text)


def _next_claim(repo: Repository, plan: LaunchPlan, key: str, lease: timedelta) -> int | None:
    """The number of the next claim; None while one that was made on another machine holds."""
    number = 1
    while _is_recorded(repo, plan, f"{key}.{number}"):
        number += 1
    if number == 1:
        return number
    last = repo.resolve(f"{LAUNCHES}@plan={plan.name}#{key}.{number - 1}", strict=True)
    ours = reading.value_of(repo, last).get("host") == platform.node()
    if not ours and last.created is not None and clock.to_datetime(repo.now()) < last.created + lease:
        return None
    return number


def _told(plan: LaunchPlan, version: ArtifactVersion) -> dict[str, Any]:
    # The nonce makes every claim and record a content of its own, so that two of one name never agree by accident.
    return {"plan": plan.name, "trigger": version.ref, "artifact": version.id, "nonce": os.urandom(8).hex()}


def _put(repo: Repository, plan: LaunchPlan, version: str, record: dict[str, Any]) -> ArtifactVersion:
    return repo.put(record, f"{LAUNCHES}@plan={plan.name}", version=version)


def _records(repo: Repository, plan: LaunchPlan) -> list[ArtifactVersion]:
    """Claims and outcomes of a plan, oldest first."""
    return reading.history(repo, _launches(repo), Partition.of({"plan": plan.name}))


def _is_recorded(repo: Repository, plan: LaunchPlan, version: str) -> bool:
    return reading.has_version(repo, _launches(repo), Partition.of({"plan": plan.name}), version)


def _launches(repo: Repository) -> Name:
    return Name(repo.project, repo.domain, LAUNCHES)


def _matching(repo: Repository, plan: LaunchPlan) -> list[ArtifactVersion]:
    """Every version that the trigger matches, oldest first; one that came again counts once."""
    wanted = _trigger_of(plan)
    first: dict[str, ArtifactVersion] = {}
    for version in reading.history(repo, _name_of(repo, plan)):
        fits = wanted.version is None or wanted.version == version.version
        if fits and wanted.matches(version.partitions, version.time):
            first.setdefault(_key(version), version)
    return list(first.values())


def _triggered(plans: Iterable[LaunchPlan]) -> Iterator[LaunchPlan]:
    if isinstance(plans, (str, LaunchPlan)) or not isinstance(plans, Iterable):
        raise UsageError(f"triggers are run of a list of plans, not of {plans!r:.80}", hint="run_triggers([plan])")
    names: dict[str, LaunchPlan] = {}
    for plan in plans:
        if not isinstance(plan, LaunchPlan):
            raise UsageError(f"{plan!r:.80} is no launch plan", hint="LaunchPlan.create(…, trigger=OnArtifact(…))")
        if names.setdefault(plan.name, plan) is not plan:
            raise DeclarationError(f"two plans are called {plan.name!r}: what was launched is recorded by name")
        if plan.trigger is not None:
            yield plan


def _name_of(repo: Repository, plan: LaunchPlan) -> Name:
    """The name whose versions launch a plan."""
    wanted = _trigger_of(plan)
    return Name(wanted.project or repo.project, wanted.domain or repo.domain, wanted.name)


def _names(repo: Repository, plans: Iterable[LaunchPlan]) -> list[Name]:
    """A name in each log that has to do with the launches of plans."""
    every = (_launches(repo), *(_name_of(repo, plan) for plan in plans))
    return list({name[:2]: name for name in every}.values())


def _trigger_of(plan: LaunchPlan) -> Wanted:
    assert plan.trigger is not None
    return plan.trigger.wanted


def _key(version: ArtifactVersion) -> str:
    """The name under which the launch for a version is recorded: the same wherever the version has come to."""
    partition = version.partition.text if version.partition is not None else ""
    return _digest(version.project, version.domain, version.name, partition, version.version)


def _digest(*parts: str | None) -> str:
    return hashlib.blake2b("\n".join(part or "" for part in parts).encode(), digest_size=12).hexdigest()


@contextmanager
def _locked(path: Path) -> Iterator[bool]:
    """Hold a lock that dies with the process; False where a live process has it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        # Whoever held it before took the name away when done: a lock on a file without its name locks nobody out.
        mine = os.fstat(descriptor).st_nlink > 0
        yield mine
        if mine:
            path.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
