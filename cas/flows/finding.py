"""Plans, workflows and tasks by the place they stand at, and arguments from text: for the command line.

find_flow("mypkg.flows:train_daily")      the module is imported, as uvicorn imports an app
find_plans("mypkg.flows")                 every plan in it that has a trigger
read_arguments(flow, ["region=ZRH", "rows:=10"], repo)      each by the annotation of its parameter
"""

from __future__ import annotations

import enum
import json
import types
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin
from uuid import UUID

from cas.errors import CasError, LaunchFailed, NotFound, UsageError
from cas.flows.interface import hints_of
from cas.flows.launch import LaunchPlan
from cas.flows.rendering import parse_time
from cas.flows.task import Flow
from cas.repository import Repository

__all__ = ["find_flow", "find_plans", "flow_of", "read_arguments"]

Launchable = LaunchPlan | Flow[..., Any]


def find_flow(place: str) -> Launchable:
    """The plan, workflow or task at ``module:name``; of a module alone its only plan, else its only workflow or task.

    Raises NotFound where there is none, UsageError where there are several.
    """
    module, found = _look_up(place)
    if isinstance(found, (LaunchPlan, Flow)):
        return found
    if found is not None:
        raise UsageError(
            f"{place} is a {type(found).__name__}, not a plan, workflow or task", hint=_there(module, _launchable)
        )
    for wanted in (_is_plan, _is_workflow, _launchable):
        there: dict[str, Launchable] = _members(module, wanted)
        if len(there) == 1:
            return next(iter(there.values()))
        if there:
            names = ", ".join(f"{place}:{name}" for name in there)
            raise UsageError(f"{place} has several to launch", hint=f"give one of them: {names}")
    raise NotFound(f"{place} has no plan, workflow or task", hint="decorate a function with @cas.task or @cas.workflow")


def find_plans(places: Iterable[str]) -> list[LaunchPlan]:
    """The plans with a trigger at ``module:name``, or all in ``module``, each once. Raises NotFound, UsageError."""
    plans: dict[int, LaunchPlan] = {}
    for place in places:
        module, found = _look_up(place)
        if found is None:
            there = list(_members(module, _is_triggered).values())
            if not there:
                raise NotFound(
                    f"{place} has no plan with a trigger", hint="LaunchPlan.create(…, trigger=OnArtifact(…))"
                )
        elif _is_triggered(found):
            there = [found]
        else:
            raise UsageError(f"{place} is no plan with a trigger", hint=_there(module, _is_triggered))
        plans.update((id(plan), plan) for plan in there)
    return list(plans.values())


def flow_of(found: Launchable) -> Flow[..., Any]:
    """The function that is called in the end."""
    return found.flow if isinstance(found, LaunchPlan) else found


def read_arguments(found: Launchable, texts: Sequence[str], repo: Repository | None) -> dict[str, Any]:
    """``name=value`` by the annotation of the parameter, ``name:=JSON`` as it is, ``name@=REF`` as that version.

    A parameter whose type has no text (a table, a model) takes a ref, too. Raises UsageError, RefNotFound.
    """
    flow = flow_of(found)
    hints = hints_of(flow.function)
    arguments: dict[str, Any] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        kind = name[-1:] if sign else ""
        name = name.rstrip(":@") if kind in (":", "@") else name
        if not sign or not name:
            raise UsageError(f"argument {text!r} is not name=value", hint="region=ZRH, rows:=10 or data@=rides")
        if name not in flow.interface.names:
            known = ", ".join(flow.interface.names) or "none"
            raise UsageError(f"{flow.name} has no input {name!r}", hint=f"its inputs: {known}")
        if name in arguments:
            raise UsageError(f"input {name!r} is given twice")
        where = f"input {name!r} of {flow.name}"
        if kind == ":":
            arguments[name] = _json(value, where)
        elif kind == "@":
            arguments[name] = _version(value, where, repo)
        else:
            arguments[name] = read_value(value, hints.get(name, str), where, repo)
    return arguments


def read_value(text: str, annotation: Any, where: str, repo: Repository | None = None) -> Any:
    """The value of a text as a type has it. Raises UsageError, naming ``where``."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return read_value(text, get_args(annotation)[0], where, repo)
    if origin in (typing.Union, types.UnionType):
        return _one_of(text, get_args(annotation), where, repo)
    if origin is typing.Literal:
        for choice in get_args(annotation):
            if text == str(choice):
                return choice
        raise UsageError(f"{where} is one of {', '.join(map(str, get_args(annotation)))}, not {text!r}")
    if annotation in (Any, str, object):
        return text
    plain = origin or annotation
    if plain in (list, tuple, dict, set, frozenset, Mapping, Sequence, Iterable) or _is_collection(plain):
        return _collection(text, plain, get_args(annotation), where)
    if isinstance(plain, type) and issubclass(plain, enum.Enum):
        return _member(text, plain, where)
    read = _READERS.get(plain)
    if read is None:
        return _version(text, where, repo)
    try:
        return read(text)
    except (ValueError, ArithmeticError, CasError):
        raise UsageError(f"{where} is a {plain.__name__}, and {text!r} is none") from None


def _one_of(text: str, choices: Sequence[Any], where: str, repo: Repository | None) -> Any:
    if type(None) in choices and text in ("", "None", "null"):
        return None
    # What takes any text comes last.
    first, *others = sorted((one for one in choices if one is not type(None)), key=lambda one: one is str)
    try:
        return read_value(text, first, where, repo)
    except CasError:
        if not others:
            raise
        return _one_of(text, others, where, repo)


def _is_collection(kind: Any) -> bool:
    return isinstance(kind, type) and kind.__module__ in ("collections.abc", "typing")


def _collection(text: str, kind: Any, of: Sequence[Any], where: str) -> Any:
    made: Any = kind if kind in (list, tuple, dict, set, frozenset) else None
    if made is dict or text.startswith(("[", "{")):
        found = _json(text, where)
    else:  # a list of texts needs no quotes: regions=EWR,JFK
        inner = of[0] if of and of[0] is not Ellipsis else str
        found = [read_value(one, inner, where) for one in text.split(",")] if text else []
    return found if made is None or isinstance(found, made) else made(found)


def _member(text: str, kind: type[enum.Enum], where: str) -> enum.Enum:
    for member in kind:
        if text in (member.name, str(member.value)):
            return member
    raise UsageError(f"{where} is one of {', '.join(member.name for member in kind)}, not {text!r}")


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{where} is not JSON: {error}") from None


def _version(text: str, where: str, repo: Repository | None) -> Any:
    if repo is None:
        raise UsageError(f"{where} needs a repository to look {text!r} up in", hint="cas init")
    return repo.resolve(text)


def _truth(text: str) -> bool:
    if text.lower() in ("true", "yes", "1", "on"):
        return True
    if text.lower() in ("false", "no", "0", "off"):
        return False
    raise ValueError(text)


def _moment(text: str) -> datetime:
    moment = parse_time(text, "")
    # A time without a zone stays without one, as Python's own datetimes do.
    zoned = text.endswith("Z") or "+" in text or "-" in text[len("2024-05-01") :]
    return moment if zoned else moment.replace(tzinfo=None)


_READERS: dict[Any, Callable[[str], Any]] = {
    bool: _truth,
    int: int,
    float: float,
    complex: complex,
    bytes: str.encode,
    datetime: _moment,
    date: date.fromisoformat,
    time: time.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
    Decimal: Decimal,
    UUID: UUID,
    Path: Path,
    type(None): lambda text: {"": None, "None": None, "null": None}[text],
}


def _look_up(place: str) -> tuple[Any, Any]:
    """The module of a place, and what stands there; None where the place is the module.

    Raises LaunchFailed, from what it raised, for a module that cannot be imported.
    """
    name, colon, path = place.partition(":")
    if not all(map(str.isidentifier, name.split("."))) or (colon and not path):
        like = name.removesuffix(".py").strip("./").replace("/", ".")
        meant = like if all(map(str.isidentifier, like.split("."))) else "mypkg.flows"
        raise UsageError(f"{place!r} is no place of a plan", hint=f"write it as {meant}:{path or 'train_daily'}")
    try:
        module = import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{name}.".startswith(f"{error.name}."):
            above, _, last = name.rpartition(".")
            hint = f"what stands in a module is written {above}:{last}" if above and not colon else None
            raise NotFound(f"no module {name!r}", hint=hint or "is it in this directory, or installed here?") from None
        raise LaunchFailed(f"module {name!r} cannot be imported: {type(error).__name__}: {error}") from error
    found: Any = module
    for step in path.split(".") if path else ():
        if not hasattr(found, step):
            raise NotFound(f"no {path!r} in module {name!r}", hint=_there(module, _launchable))
        found = getattr(found, step)
    return module, found if path else None


def _members(module: Any, wanted: Callable[[object], bool]) -> dict[str, Any]:
    """What a module holds of a kind, by name, each once; its own before what it imported."""
    found: dict[int, tuple[str, Any]] = {}
    for name, member in vars(module).items():
        if wanted(member):
            found.setdefault(id(member), (name, member))
    every = dict(found.values())
    own = {name: member for name, member in every.items() if _home(member) in (None, module.__name__)}
    return own or every


def _home(member: Any) -> str | None:
    return member.interface.module if isinstance(member, Flow) else None


def _there(module: Any, wanted: Callable[[object], bool]) -> str:
    names = ", ".join(_members(module, wanted))
    return f"there are: {names}" if names else f"{module.__name__} has none"


def _launchable(member: object) -> bool:
    return isinstance(member, (LaunchPlan, Flow))


def _is_plan(member: object) -> bool:
    return isinstance(member, LaunchPlan)


def _is_workflow(member: object) -> bool:
    return isinstance(member, Flow) and member.kind == "workflow"


def _is_triggered(member: object) -> bool:
    return isinstance(member, LaunchPlan) and member.trigger is not None
