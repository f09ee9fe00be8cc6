"""Types of settings with their limits and error messages."""

import re
from typing import Annotated
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_settings import NoDecode

Seconds = Annotated[float, Field(ge=0.001, le=604_800)]
"""From a millisecond, PostgreSQL's shortest timeout (0 means no timeout), to a week."""

Percent = Annotated[float, Field(ge=0, le=100)]

_READ_AS_OFFSETS = {"CET": "Europe/Berlin", "EET": "Europe/Athens", "MET": "Europe/Berlin", "WET": "Europe/Lisbon"}
"""PostgreSQL reads these as abbreviations of a fixed offset. All other names mean the same in PostgreSQL and Python
(tested for 1970 to 2037)."""

_OF_NO_REGION = ("localtime", "Factory")
"""Names in zone databases that are no region: the zone of the local machine, and of a machine without a zone."""

_HOST_NAME = re.compile(r"[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+\]")


def host_names(value: str) -> tuple[str, ...]:
    """Return the host names of a list separated by commas, as in a Host header without a port.

    Raises:
        ValueError: a name is invalid.
    """
    names = tuple(filter(None, map(str.strip, value.split(","))))
    if not all(map(_HOST_NAME.fullmatch, names)):
        raise ValueError("should be host names such as stats.example.com, without ports, separated by commas")
    return names


def _as_host_names(value: object) -> object:
    return host_names(value) if isinstance(value, str) else value


def _is_known_zone(value: str) -> str:
    if value not in available_timezones() or value in _OF_NO_REGION:
        raise ValueError("should be an IANA time zone such as UTC or Asia/Seoul")
    if value in _READ_AS_OFFSETS:
        raise ValueError(
            f"should be the name of a region, such as {_READ_AS_OFFSETS[value]}: PostgreSQL reads {value} as a "
            "fixed offset, Python as a zone with summer time"
        )
    return value


def _is_memory_size(value: str) -> str:
    size = re.fullmatch(r"(\d{1,10})(kB|MB|GB)", value)
    if not size or not 64 <= int(size[1]) * {"kB": 1, "MB": 1024, "GB": 1024**2}[size[2]] < 2**31:
        raise ValueError("should be a PostgreSQL memory size such as 256MB, from 64kB to 2047GB")
    return value


# NoDecode: pydantic-settings would parse a tuple as JSON.
HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_as_host_names)]
MemorySize = Annotated[str, AfterValidator(_is_memory_size)]
TimeZone = Annotated[str, AfterValidator(_is_known_zone)]
