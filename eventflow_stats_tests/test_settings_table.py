"""The README's table of settings is the one that is generated from the settings."""

from pathlib import Path

from eventflow_stats.settings import Settings
from eventflow_stats.settings_table import settings_table

README = Path(__file__).parent.parent / "eventflow_stats" / "cli" / "README.md"
BEGIN, END = "<!-- settings: begin -->", "<!-- settings: end -->"


def test_the_readme_has_the_table_of_all_settings() -> None:
    _, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    table, end, _ = rest.partition(END)
    assert end == END
    assert table.strip() == settings_table(), "python -m eventflow_stats.settings_table prints the table"


def test_every_setting_has_one_row_of_three_cells() -> None:
    _, _, *rows = settings_table().splitlines()
    assert len(rows) == len(Settings.model_fields)
    assert all(row.count("|") == 4 and "None" not in row for row in rows)
