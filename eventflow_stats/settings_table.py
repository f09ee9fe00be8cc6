"""The table of all settings as Markdown, for the README: ``python -m eventflow_stats.settings_table``."""

from pydantic.fields import FieldInfo

from eventflow_stats.settings import Settings


def settings_table() -> str:
    """Return one row per setting: name, default and meaning."""
    rows = [
        f"| `EVENTFLOW_{name.upper()}` | {_default(field)} | {field.description} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| setting | default | meaning |", "|---|---|---|", *rows])


def _default(field: FieldInfo) -> str:
    return "not set" if field.default in (None, "", ()) else f"`{field.default}`"


if __name__ == "__main__":
    print(settings_table())
