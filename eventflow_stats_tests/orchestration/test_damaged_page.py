"""One page of an old day cannot be read: sensor, tick, backfill, checks and the command go on, and name the day."""

from datetime import date

DAYS = [date(2026, 3, day) for day in range(1, 8)]
DAMAGED = DAYS[2]
OTHERS = [day for day in DAYS if day != DAMAGED]
