"""Counts every number again in plain Python from the product's tables, and compares it with the rollup."""

from typing import Any

import psycopg

from eventflow_stats_tests.facts import Entry, Link, Visit, World
from eventflow_stats_tests.oracle import Group, Numbers, expected_groups
from eventflow_stats_tests.rollup import stored_groups

_VISITS = """
SELECT id, accessed_at AS at, campaign_id, webinar_id, session_id, marketing_campaign_link_id AS link_id, cid,
    utm_source, utm_medium, utm_campaign
FROM public.event_access_logs
"""
_ENTRIES = """
SELECT id, created_at AS at, campaign_id, marketing_campaign_link_id AS link_id, registration_data ->> 'cid' AS cid,
    utm_source, utm_medium, utm_campaign
FROM public.event_survey_entries
"""

Difference = tuple[Group, Numbers | None, Numbers | None]
"""A group, its numbers in the rollup, and its numbers by the facts."""


def world_of(connection: psycopg.Connection) -> World:
    """Read the whole content of the product's tables."""
    world = World()
    world.clients = [row[0] for row in connection.execute("SELECT id FROM public.clients")]
    world.campaigns = dict(_pairs(connection, "SELECT id, client_id FROM public.event_survey_campaigns"))
    world.webinars = dict(_pairs(connection, "SELECT id, client_id FROM public.webinars"))
    links = connection.execute("SELECT client_id, cid, id FROM public.campaign_link_meta")
    world.links = [Link(*row) for row in links]
    with connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
        world.visits = {row["id"]: Visit(**row) for row in cursor.execute(_VISITS)}
        world.entries = {row["id"]: Entry(**row) for row in cursor.execute(_ENTRIES)}
    return world


def _pairs(connection: psycopg.Connection, statement: str) -> list[tuple[Any, Any]]:
    return connection.execute(statement.encode()).fetchall()


def differences(connection: psycopg.Connection) -> tuple[int, list[Difference]]:
    """Return how many groups the facts have, days in UTC, and every group with another number in the rollup."""
    world = world_of(connection)
    # The oracle searches the links for each fact. It gets only the links that a cid can name.
    world.links = [link for link in world.links if link.cid]
    expected, stored = expected_groups(world, "UTC"), stored_groups(connection)
    return len(expected), [
        (group, stored.get(group), expected.get(group))
        for group in expected.keys() | stored.keys()
        if stored.get(group) != expected.get(group)
    ]
