"""Cards: their forms, and what is taken for one."""

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from cas.errors import DeclarationError, NotFound, UsageError
from cas.flows import Card, DataCard, ModelCard
from cas.flows.cards import as_card, named


def test_cards_have_a_name_a_form_and_bytes():
    card = ModelCard("# Rides")
    assert (card.name, card.media_type, card.content) == ("model", "text/markdown", b"# Rides")
    assert DataCard("x").name == "data"
    assert Card({"b": 1, "a": 2}, form="json").content == b'{\n  "a": 2,\n  "b": 1\n}'
    assert Card(b"\x89PNG", form="png").media_type == "image/png"


@pytest.mark.parametrize(("content", "form"), [("x", "pdf"), ("x", "png"), (5, "md"), ({1}, "json")])
def test_what_cannot_be_a_card(content, form):
    with pytest.raises(DeclarationError):
        Card(content, form=form)


def test_a_data_card_draws_a_table():
    page = DataCard.from_dataframe(pd.DataFrame({"a": [1, 2, None], "b|c": ["x", "y\nz", "x"]}), rows=2)
    text = page.content.decode()
    assert "3 rows, 2 columns" in text
    assert "| a | float64 | 1 | 1.0 | 2.0 |" in text
    assert "b\\|c" in text
    assert "| 2.0 | y z |" in text


def test_a_data_card_is_made_of_a_table_too():
    frame = pd.DataFrame({"a": range(9)})
    assert DataCard(frame).content == DataCard.from_dataframe(frame).content == as_card(frame).content
    for other in (pa.table(frame), pl.DataFrame(frame)):
        assert DataCard(other).content == DataCard.from_dataframe(other).content == as_card(other).content
        assert b"| a | int64 | 0 | 0 | 8 |" in as_card(other).content
    for none in (3, {"a": [1]}, None):
        with pytest.raises(DeclarationError, match="drawn from a DataFrame"):
            DataCard.from_dataframe(none)


def test_columns_of_one_name_are_told_apart():
    text = DataCard.from_dataframe(pd.DataFrame([[1, 2.5]], columns=["a", "a"])).content.decode()
    assert "| a | int64 | 0 | 1 | 1 |" in text
    assert "| a | float64 | 0 | 2.5 | 2.5 |" in text


def test_files_that_cannot_be_cards(tmp_path):
    with pytest.raises(NotFound, match="no such file"):
        as_card(tmp_path / "gone.md")
    with pytest.raises(DeclarationError, match="no card form 'zip'"):
        Card.from_file(tmp_path / "gone.zip")
    (tmp_path / "folder.md").mkdir()
    with pytest.raises(UsageError, match="cannot read the card"):
        Card.from_file(tmp_path / "folder.md")


def test_a_column_without_order_has_no_extent():
    text = DataCard.from_dataframe(pd.DataFrame({"a": [1, "x"]})).content.decode()
    assert "| a | object | 0 |  |  |" in text


def test_what_is_taken_for_a_card(tmp_path):
    path = tmp_path / "plot.png"
    path.write_bytes(b"\x89PNG")
    assert as_card("# x").media_type == "text/markdown"
    assert as_card({"loss": 0.1}).media_type == "application/json"
    assert as_card(path).name == "plot"
    assert as_card(pd.DataFrame({"a": [1]})).name == "data"
    with pytest.raises(DeclarationError, match="a int cannot be a card"):
        as_card(5)


def test_names_are_made_unique():
    assert list(named([Card("a"), Card("b"), ModelCard("c"), Card("d")])) == ["card", "card-2", "model", "card-3"]
