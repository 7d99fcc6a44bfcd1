"""Cards: readable things attached to an artifact version, each kept as an object of its own.

return my_model(fit, ModelCard("# Ride model"), DataCard.from_dataframe(sample), city="ZRH")
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cas.errors import DeclarationError, NotFound, UsageError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Card", "DataCard", "ModelCard", "as_card", "named"]

MEDIA_TYPES = {
    "md": "text/markdown",
    "html": "text/html",
    "json": "application/json",
    "csv": "text/csv",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
}


class Card:
    """A page of one form (md, html, json, csv, png, jpg). Raises DeclarationError for others.

    ``content`` is text or bytes (for json, any plain value); ``name`` is what it is listed under.
    """

    default_name = "card"

    def __init__(self, content: object, *, form: str = "md", name: str | None = None) -> None:
        _check_form(form)
        self.name = name or self.default_name
        self.form = form
        self.content = _content(content, form)

    @property
    def media_type(self) -> str:
        """Such as ``text/markdown``."""
        return MEDIA_TYPES[self.form]

    @classmethod
    def from_file(cls, path: str | Path, *, name: str | None = None) -> Card:
        """A card with a file's bytes; its suffix says the form, its stem the name."""
        path = Path(path)
        form = path.suffix.lstrip(".").lower()
        _check_form(form)
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise NotFound(f"no such file: {path}", hint="a card is made of a file that is there") from None
        except OSError as fault:
            raise UsageError(f"cannot read the card {path}: {fault.strerror}") from fault
        return Card(content, form=form, name=name or path.stem)

    def __repr__(self) -> str:
        return f"{type(self).__name__}(name={self.name!r}, form={self.form!r}, {len(self.content)} bytes)"


class ModelCard(Card):
    """A page of Markdown about a model."""

    default_name = "model"


class DataCard(Card):
    """A page of Markdown about a table: Markdown, or the table that it is drawn from."""

    default_name = "data"

    def __init__(self, content: object, *, form: str = "md", name: str | None = None) -> None:
        super().__init__(frame_page(content, 5) if _is_frame(content) else content, form=form, name=name)

    @classmethod
    def from_dataframe(cls, frame: pd.DataFrame, *, rows: int = 5, name: str | None = None) -> DataCard:
        """Its shape, its columns (type, nulls, range) and its first ``rows`` rows. Raises DeclarationError."""
        if not _is_frame(frame):
            raise DeclarationError(
                f"a data card is drawn from a DataFrame, not from a {type(frame).__name__}",
                hint="DataCard(…) takes Markdown",
            )
        return cls(frame_page(frame, rows), name=name)

    from_obj = from_dataframe


def as_card(given: object) -> Card:
    """A card from what users hand over: a card, Markdown text, a path, a plain mapping or list, a DataFrame.

    Objects with flytekit's ``serialize_to_string(context, variable)`` give their own name and text.
    """
    if isinstance(given, Card):
        return given
    if hasattr(given, "serialize_to_string"):
        name, text = given.serialize_to_string(None, "o0")
        return Card(text, name=name)
    if isinstance(given, str):
        return Card(given)
    if isinstance(given, Path):
        return Card.from_file(given)
    if isinstance(given, (Mapping, list)):
        return Card(given, form="json")
    if _is_frame(given):
        return DataCard(given)
    raise DeclarationError(
        f"a {type(given).__name__} cannot be a card", hint="give a ModelCard, a DataCard, Markdown text or a path"
    )


def named(cards: Iterable[Card]) -> dict[str, tuple[str, bytes]]:
    """``{name: (media type, bytes)}``; a name that comes again gets a number."""
    pages: dict[str, tuple[str, bytes]] = {}
    for card in cards:
        name, n = card.name, 2
        while name in pages:
            name, n = f"{card.name}-{n}", n + 1
        pages[name] = (card.media_type, card.content)
    return pages


def frame_page(frame: Any, rows: int) -> str:
    """Markdown about a DataFrame; deterministic for equal frames."""
    if not hasattr(frame, "iloc"):
        frame = frame.to_pandas()
    lines = [f"{len(frame):,} rows, {len(frame.columns)} columns", "", "| column | type | nulls | least | greatest |"]
    lines.append("|---|---|---|---|---|")
    for place, column in enumerate(frame.columns):
        series = frame.iloc[:, place]  # by place: two columns may have one name
        least, greatest = _extent(series)
        lines.append(f"| {_cell(column)} | {series.dtype} | {int(series.isna().sum())} | {least} | {greatest} |")
    head = frame.head(rows)
    if len(head):
        lines += ["", _row(frame.columns), _row(["---"] * len(frame.columns))]
        lines += [_row(row) for row in head.itertuples(index=False, name=None)]
    return "\n".join(lines) + "\n"


def _extent(series: Any) -> tuple[str, str]:
    try:
        return _cell(series.min()), _cell(series.max())
    except (TypeError, ValueError):  # a column of mixed or unordered values has no extent
        return "", ""


def _row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(_cell(cell) for cell in cells) + " |"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _check_form(form: str) -> None:
    if form not in MEDIA_TYPES:
        raise DeclarationError(f"no card form {form!r}; there are {', '.join(MEDIA_TYPES)}")


def _is_frame(given: object) -> bool:
    """Whether it is a DataFrame of pandas, or what gives one: of polars, or an Arrow table."""
    return hasattr(given, "columns") and (hasattr(given, "iloc") or hasattr(given, "to_pandas"))


def _content(content: object, form: str) -> bytes:
    if isinstance(content, (bytes, bytearray)):
        return bytes(content)
    if form == "json" and not isinstance(content, str):
        try:
            return json.dumps(content, ensure_ascii=False, indent=2, sort_keys=True).encode()
        except (TypeError, ValueError) as cause:
            raise DeclarationError(f"a json card cannot hold this: {cause}") from None
    if isinstance(content, str) and not MEDIA_TYPES[form].startswith("image/"):
        return content.encode()
    raise DeclarationError(f"the content of a {form} card cannot be a {type(content).__name__}")
