"""The result of the check ``verified_against_facts``: whether it passes, its message and its metadata."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import dagster as dg

from eventflow_stats.engine.adjustments import DayAdjustments
from eventflow_stats.engine.verification.sealing import SealedDay
from eventflow_stats.engine.verification.verify import VerifiedDay
from eventflow_stats.errors import DayBusy, FailedDays, UnverifiableDay
from eventflow_stats.formatting import format_count, format_list, markdown_code
from eventflow_stats.orchestration.checks.check_metadata import (
    ERROR,
    WARN,
    adjustments_message,
    difference_metadata,
    format_difference,
    sorted_differences,
)
from eventflow_stats.orchestration.held_and_sealed_days import (
    UnchangedDays,
    sealed_messages,
    unchanged_counts,
    unchanged_messages,
)
from eventflow_stats.orchestration.runs.retries import first_reason


@dataclass(frozen=True)
class VerificationResult:
    """What a run found: the verified days, the days that could not be compared, and the state of all other days.

    ``known`` are the open discrepancies of all days, also of days outside the run. The UI shows only the newest result
    of a check, so a wrong group must keep it red when a later run verifies other days.
    """

    days: Sequence[date]
    verified: Sequence[VerifiedDay]
    refreshed: bool
    only_clients: Sequence[str]
    not_compared: FailedDays
    known: Mapping[date, int]
    unchanged: UnchangedDays
    sealed: Sequence[SealedDay]
    adjustments_by_day: Mapping[date, DayAdjustments]

    @cached_property
    def wrong_groups(self) -> int:
        return sum(day.wrong_groups for day in self.verified)

    @cached_property
    def wrong_before(self) -> dict[date, int]:
        """Wrong groups of earlier verifications that are not repaired and that this run did not count again, by day."""
        counts = {day.day: day.wrong_groups for day in self.verified}
        left = {day: groups - counts.get(day, 0) for day, groups in self.known.items()}
        return {day: groups for day, groups in left.items() if groups > 0 and not (self.only_clients and day in counts)}

    @cached_property
    def missing(self) -> list[date]:
        return [day.day for day in self.verified if not day.computed]

    @cached_property
    def stale(self) -> list[VerifiedDay]:
        """Days whose facts changed since they were computed. None after a refresh: the next one handles them."""
        return [
            day for day in self.verified if day.stale_client_days and self._can_be_stale(day) and not self.refreshed
        ]

    @cached_property
    def busy(self) -> list[date]:
        return [day for day, error in self.not_compared.items() if isinstance(error, DayBusy)]

    @cached_property
    def failed(self) -> FailedDays:
        return {day: error for day, error in self.not_compared.items() if not isinstance(error, DayBusy)}

    @cached_property
    def unverifiable(self) -> list[date]:
        return [day for day, error in self.failed.items() if isinstance(error, UnverifiableDay)]

    @cached_property
    def adjustments(self) -> DayAdjustments:
        found = [self.adjustments_by_day[day.day] for day in self.verified if day.day in self.adjustments_by_day]
        return DayAdjustments(
            sum(day.adjustments for day in found),
            sum(day.visits for day in found),
            sum(day.conversions for day in found),
        )

    @property
    def passed(self) -> bool:
        return not (
            self.wrong_groups or self.wrong_before or self.unchanged or self.stale or self.missing or self.not_compared
        )

    @property
    def severity(self) -> dg.AssetCheckSeverity:
        return ERROR if self.wrong_groups or self.wrong_before or self.unchanged or self.unverifiable else WARN

    def metadata(self) -> dict[str, Any]:
        return {
            "first_day": str(min(self.days)),
            "last_day": str(max(self.days)),
            "days": len(self.verified),
            "groups_compared": sum(day.totals.groups for day in self.verified),
            "facts_read": sum(day.totals.facts for day in self.verified),
            "wrong_groups": self.wrong_groups,
            "wrong_groups_found_before": sum(self.wrong_before.values()),
            "stale_days": len(self.stale),
            "unresolved_facts": sum(day.totals.unresolved_facts for day in self.verified),
            "adjustments": self.adjustments.adjustments,
            "unverifiable_days": len(self.unverifiable),
            **unchanged_counts(self.verified, self.unchanged, self.sealed),
            **({"only_clients": ", ".join(self.only_clients)} if self.only_clients else {}),
            **difference_metadata(self.verified, self.only_clients),
        }

    def message(self) -> str:
        """One line for people: what is wrong first, then what was compared."""
        parts = unchanged_messages(self.unchanged)
        if self.wrong_groups:
            days = format_list([str(day.day) for day in self.verified if day.wrong_groups])
            _, first = sorted_differences(self.verified)[0]
            parts.append(
                f"{format_count(self.wrong_groups, 'wrong group')} on {days}; first: {format_difference(first)}"
            )
        if self.wrong_before:
            groups = format_count(sum(self.wrong_before.values()), "wrong group")
            parts.append(f"{groups} found before and not repaired: {_listed(self.wrong_before)}")
        if self.stale:
            days = _listed(day.day for day in self.stale)
            parts.append(f"facts changed since {days} {'was' if len(self.stale) == 1 else 'were'} computed")
        if self.missing:
            parts.append(f"never computed: {_listed(self.missing)}")
        if self.busy:
            parts.append(f"not compared, because another run is writing: {_listed(self.busy)}")
        if self.failed:
            parts.append(f"could not be compared: {_listed(self.failed)}; {first_reason(self.failed)}")
        compared = [day for day in self.verified if day.seal is None]
        if not parts and compared:
            groups = format_count(sum(day.totals.groups for day in compared), "group")
            span = " to ".join(sorted({str(compared[0].day), str(compared[-1].day)}))
            parts.append(f"{span}: {groups} on {format_count(len(compared), 'day')} equal the facts")
        parts += sealed_messages(self.verified)
        meanwhile = sum(
            day.stale_client_days for day in self.verified if day not in self.stale and self._can_be_stale(day)
        )
        if meanwhile:
            parts.append(
                f"facts of {format_count(meanwhile, 'client-day')} changed meanwhile, the next refresh recomputes them"
            )
        unresolved = sum(day.totals.unresolved_facts for day in self.verified)
        if unresolved:
            parts.append(f"{format_count(unresolved, 'fact')} of these days without a client, so in no group")
        if self.only_clients:
            parts.append(f"compared only for {markdown_code(', '.join(self.only_clients))}")
        if self.adjustments.adjustments:
            parts.append(f"beside these numbers, not in them: {adjustments_message(self.adjustments)}")
        return "; ".join(parts) + "."

    @staticmethod
    def _can_be_stale(day: VerifiedDay) -> bool:
        return day.computed and day.hold is None


def _listed(days: Iterable[date]) -> str:
    return format_list([str(day) for day in days])
