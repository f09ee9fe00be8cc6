"""Any text as JSON and as CSV: it is safe for terminals and spreadsheets, and reading returns the same text."""

import csv
import io
import json

from hypothesis import given
from hypothesis import strategies as st

from eventflow_stats.formatting import csv_text, json_text, read_csv_text

texts = st.text() | st.text(st.sampled_from("=＝+＋-－@＠'\"\t\r\n\x1b\x9b\u202e _nul0\\"), max_size=12)  # noqa: RUF001
FORMULAS = tuple("=＝+＋-－@＠\t\r\n")  # noqa: RUF001


@given(st.dictionaries(texts, texts))
def test_json_is_one_line_with_the_same_value(value: dict[str, str]) -> None:
    written = json_text(value)
    assert written.isprintable()
    assert json.loads(written) == value


@given(texts | st.none())
def test_a_csv_field_is_no_formula_has_no_control_characters_and_can_be_read_back(text: str | None) -> None:
    written = csv_text(text)
    assert not written.startswith(FORMULAS)
    assert not {"\x1b", "\x9b", "\u202e", "\n", "\r"} & set(written)
    file = io.StringIO(newline="")
    csv.writer(file).writerow([written, "next"])
    file.seek(0)
    assert [read_csv_text(field) for field in next(csv.reader(file))] == [text, "next"]
