"""Counts answers by source into the database, where a check of Dagster judges all processes' together."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from eventflow_stats.api.database_status import DATABASE_FAILED, in_a_thread
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.answer_counts import RETENTION, AnswerSource, count_answers

LOG = logging.getLogger("eventflow_stats.api")
WRITE_SECONDS = 15.0
LAST_WRITE_SECONDS = 5.0
"""How long the end of a process may wait for its last counts to be written."""


class AnswerCounts:
    """The answers of this process that the database does not know of yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: Counter[tuple[datetime, AnswerSource]] = Counter()
        self._failing = False

    def note(self, source: AnswerSource) -> None:
        """One more answer, given now."""
        self._unwritten[datetime.now(UTC).replace(second=0, microsecond=0), source] += 1

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """While this lasts the counts are written every 15 seconds, and once more at its end."""
        ending = asyncio.Event()
        writing = asyncio.create_task(self._write_until(ending))
        try:
            yield
        finally:
            ending.set()
            _, late = await asyncio.wait([writing], timeout=LAST_WRITE_SECONDS)
            if late:
                writing.cancel()
                LOG.warning("the last answers could not be counted: the database gives no answer")

    async def _write_until(self, ending: asyncio.Event) -> None:
        last = False
        while not last:
            try:
                await asyncio.wait_for(ending.wait(), WRITE_SECONDS)
                last = True
            except TimeoutError:
                pass
            await self._write()

    async def _write(self) -> None:
        oldest = datetime.now(UTC) - RETENTION
        given = {key: answers for key, answers in self._unwritten.items() if key[0] > oldest}
        self._unwritten = Counter()
        if not given:
            return
        try:
            await in_a_thread(lambda: count_answers(self._database, given))
            self._failing = False
        except DATABASE_FAILED:
            self._unwritten.update(given)
            if not self._failing:
                LOG.warning("answers cannot be counted in the database just now; they are kept for the next time")
            self._failing = True
