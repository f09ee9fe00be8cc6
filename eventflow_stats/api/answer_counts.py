"""Counts answers by source and writes the counts to the database. A Dagster check adds up those of all processes."""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from eventflow_stats.api.database_status import DATABASE_FAILED, run_in_daemon_thread
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.status.answer_counts import RETENTION, AnswerSource, count_answers

LOG = logging.getLogger("eventflow_stats.api")
WRITE_SECONDS = 15.0
LAST_WRITE_SECONDS = 5.0
"""Maximum time that the end of a process waits for the last write."""


class AnswerCounts:
    """The answers of this process that are not in the database yet."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unwritten: Counter[tuple[datetime, AnswerSource]] = Counter()
        self._failing = False

    def add(self, source: AnswerSource) -> None:
        """Count one answer, given now."""
        self._unwritten[datetime.now(UTC).replace(second=0, microsecond=0), source] += 1

    @asynccontextmanager
    async def written(self) -> AsyncIterator[None]:
        """Write the counts every 15 seconds while the context is open, and once more at its end."""
        ending = asyncio.Event()
        writing = asyncio.create_task(self._write_until(ending))
        try:
            yield
        finally:
            ending.set()
            _, late = await asyncio.wait([writing], timeout=LAST_WRITE_SECONDS)
            if late:
                writing.cancel()
                LOG.warning("the last answers were not counted: the database does not answer")

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
        counts = {key: answers for key, answers in self._unwritten.items() if key[0] > oldest}
        self._unwritten = Counter()
        if not counts:
            return
        try:
            await run_in_daemon_thread(lambda: count_answers(self._database, counts))
            self._failing = False
        except DATABASE_FAILED:
            self._unwritten.update(counts)
            if not self._failing:
                LOG.warning("answers cannot be counted in the database now; the counts are written later")
            self._failing = True
