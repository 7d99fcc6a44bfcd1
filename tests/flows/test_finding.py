"""Values from text, by the annotation of a parameter."""

import enum
import typing
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from cas.errors import UsageError
from cas.flows import task
from cas.flows.finding import read_arguments, read_value


class Colour(enum.Enum):
    RED = "r"


@pytest.mark.parametrize(
    ("text", "annotation", "value"),
    [
        ("5", str, "5"),
        ("5", int, 5),
        ("5", float, 5.0),
        ("yes", bool, True),
        ("False", bool, False),
        ("2024-05-01", datetime, datetime(2024, 5, 1)),
        ("2024-05-01T10:30Z", datetime, datetime(2024, 5, 1, 10, 30, tzinfo=timezone.utc)),
        ("2024-05-01T10:30-05:00", datetime, datetime(2024, 5, 1, 10, 30, tzinfo=timezone(-timedelta(hours=5)))),
        ("2024-05-01 10:30:00", datetime, datetime(2024, 5, 1, 10, 30)),
        ("2024-05-01", date, date(2024, 5, 1)),
        ("1.5", timedelta, timedelta(seconds=1.5)),
        ("1.50", Decimal, Decimal("1.50")),
        ("a/b", Path, Path("a/b")),
        ("RED", Colour, Colour.RED),
        ("r", Colour, Colour.RED),
        ("b", typing.Literal["a", "b"], "b"),
        ("2", typing.Literal[1, 2], 2),
        ("5", int | None, 5),
        ("None", int | None, None),
        ("x", int | str, "x"),
        ("7", str | int, 7),
        ("a,b", list[str], ["a", "b"]),
        ("1,2", tuple[int, ...], (1, 2)),
        ("[1, 2]", list[int], [1, 2]),
        ('{"a": 1}', dict[str, int], {"a": 1}),
        ("", list[str], []),
        ("5", typing.Annotated[int, "x"], 5),
        ("5", typing.Any, "5"),
    ],
)
def test_values(text, annotation, value):
    found = read_value(text, annotation, "x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("text", "annotation"),
    [
        ("x", int),
        ("maybe", bool),
        ("soon", datetime),
        ("c", typing.Literal["a"]),
        ("blue", Colour),
        ("{", dict),
        ("x", set),
    ],
)
def test_what_is_none(text, annotation):
    if annotation is set:
        assert read_value(text, annotation, "x") == {"x"}
        return
    with pytest.raises(UsageError):
        read_value(text, annotation, "x")


def test_a_value_that_needs_a_repository():
    @task
    def f(x: object, y: "complex") -> None: ...

    assert read_arguments(f, ["x=1", "y=2j"], None) == {"x": "1", "y": 2j}
    with pytest.raises(UsageError, match="needs a repository"):
        read_arguments(f, ["x@=1"], None)
    with pytest.raises(UsageError, match="given twice"):
        read_arguments(f, ["x=1", "x:=1"], None)
