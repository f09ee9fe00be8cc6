"""Makes facts for benchmarks, the same ones in every run. The server makes a million of them in seconds.

They are shaped like the product's. Few clients have most of the groups. A session has about 1.7 rows within an hour.
Half of the facts name their link by ``cid`` alone. Every dimension is absent at times. One group in twenty is of a
webinar. The rows are in the table in the order in which they happened.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import psycopg

from eventflow_stats.engine.postgres.database import Database

CONVERSIONS_PER_HUNDRED_VISITS = 3


@dataclass(frozen=True)
class Shape:
    """The size of a day: its visits, about how many groups they are in, and how many clients share them."""

    facts: int
    groups: int
    clients: int


# draw returns a number in [0, below), always the same one for the same x and seed.
_DIMENSIONS = """
CREATE OR REPLACE FUNCTION pg_temp.draw(x bigint, seed bigint, below bigint) RETURNS bigint
    LANGUAGE sql IMMUTABLE AS 'SELECT (hashint8extended(x, seed) & 9223372036854775807) % below';
INSERT INTO public.agencies (id, name) VALUES (md5('agency')::uuid, 'Agency');
INSERT INTO public.clients (id, agency_id, name, slug)
SELECT md5('client ' || c)::uuid, md5('agency')::uuid, 'Client ' || c, 'client-' || c
FROM generate_series(0, {clients} - 1) AS c;
INSERT INTO public.event_survey_campaigns (id, client_id, agency_id, title, public_path, created_by)
SELECT
    md5('campaign ' || c || ' ' || k)::uuid, md5('client ' || c)::uuid, md5('agency')::uuid,
    'Campaign ' || k, k, profile.id
FROM generate_series(0, {clients} - 1) AS c, generate_series(0, 4) AS k, public.profiles AS profile;
INSERT INTO public.webinars (id, client_id, agency_id, title)
SELECT md5('webinar ' || c)::uuid, md5('client ' || c)::uuid, md5('agency')::uuid, 'Webinar'
FROM generate_series(0, {clients} - 1) AS c;
INSERT INTO public.campaign_link_meta (id, client_id, agency_id, name, target_campaign_id, cid)
SELECT
    md5('link ' || c || ' ' || l)::uuid, md5('client ' || c)::uuid, md5('agency')::uuid, 'Link ' || l,
    md5('campaign ' || c || ' ' || l % 5)::uuid, upper(left(md5('cid ' || l), 8))
FROM generate_series(0, {clients} - 1) AS c, generate_series(0, 19) AS l;
CREATE TEMP TABLE made_groups AS
SELECT
    g,
    md5('client ' || c)::uuid AS client_id,
    CASE WHEN draw_kind > 0 THEN md5('campaign ' || c || ' ' || pg_temp.draw(g, 2, 5))::uuid END
        AS campaign_id,
    CASE WHEN draw_kind = 0 THEN md5('webinar ' || c)::uuid END AS webinar_id,
    CASE WHEN l < 20 THEN md5('link ' || c || ' ' || l)::uuid END AS link_id,
    CASE WHEN l < 20 THEN lower(left(md5('cid ' || l), 8)) || ' ' END AS cid,
    (ARRAY['google', 'naver', 'kakao', 'facebook', 'instagram', 'youtube', 'mail', 'sms', 'blog', '', NULL]
        )[1 + pg_temp.draw(g, 4, 11)] AS utm_source,
    (ARRAY['cpc', 'social', 'email', 'organic', 'referral', NULL])[1 + pg_temp.draw(g, 5, 6)] AS utm_medium,
    CASE WHEN pg_temp.draw(g, 6, 10) > 0 THEN 'campaign_' || pg_temp.draw(g, 7, 40) END AS utm_campaign
FROM (
    SELECT
        g, pg_temp.draw(g, 1, 20) AS draw_kind, pg_temp.draw(g, 3, 32) AS l,
        floor({clients} * power((g + 0.5) / {groups}, 3))::int AS c
    FROM generate_series(0, {groups} - 1) AS g
) AS drawn;
CREATE UNIQUE INDEX ON made_groups (g);
ANALYZE made_groups;
"""

_VISITS = """
INSERT INTO public.event_access_logs (
    id, campaign_id, webinar_id, session_id, utm_source, utm_medium, utm_campaign,
    cid, marketing_campaign_link_id, accessed_at, created_at
)
SELECT
    md5('visit {day} ' || i)::uuid, campaign_id, webinar_id,
    CASE WHEN pg_temp.draw(session, 8, 100) > 0 THEN md5('session {day} ' || session) ELSE '' END,
    utm_source, utm_medium, utm_campaign,
    CASE WHEN i % 2 = 0 THEN cid END, CASE WHEN i % 2 = 1 THEN link_id END, at, at
FROM (
    SELECT
        i, session,
        floor({groups} * power(pg_temp.draw(session + {number} * 10000000000, 9, 1000000) / 1e6::float8, 1.3)
            )::bigint AS g,
        timestamptz '{day} 00:00 UTC'
            + interval '1 day'
                * ((i + pg_temp.draw(i, 10, {facts} / 24 + 1)) / ({facts} * 25 / 24 + 2)::float8) AS at
    FROM (SELECT i, i * 10 / 17 AS session FROM generate_series(0, {facts}::bigint - 1) AS i) AS numbered
) AS drawn
JOIN made_groups USING (g)
ORDER BY at
"""

_CONVERSIONS = """
INSERT INTO public.event_survey_entries (
    id, campaign_id, client_id, phone_norm, survey_no, code6, utm_source, utm_medium, utm_campaign,
    registration_data, marketing_campaign_link_id, created_at
)
SELECT
    md5('entry {day} ' || i)::uuid, campaign_id, client_id,
    '{number}/' || i, {number} * {facts} + i, '{number}/' || i,
    utm_source, utm_medium, utm_campaign,
    CASE WHEN i % 2 = 0 THEN jsonb_build_object('cid', cid) END, CASE WHEN i % 2 = 1 THEN link_id END,
    timestamptz '{day} 00:00 UTC' + interval '1 day' * (i / ({facts} + 1)::float8)
FROM (
    SELECT i, pg_temp.draw(i + {number} * 10000000000, 11, {groups}) AS g
    FROM generate_series(0, {facts} - 1) AS i
) AS drawn
JOIN made_groups USING (g)
WHERE campaign_id IS NOT NULL
ORDER BY i
"""

_FACT_TABLES = ("event_access_logs", "event_survey_entries")


def fill_days(database: Database, days: Sequence[date], shape: Shape) -> None:
    """Fill an empty, migrated local database with clients and the visits and entries of each day."""
    with database.login_session() as connection:
        driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
        # To check keys and build indexes once at the end takes a tenth of the time.
        driver.execute("SET session_replication_role = replica")
        driver.execute("SET maintenance_work_mem = '512MB'")
        rebuild_indexes = _drop_indexes(driver)
        driver.execute(_DIMENSIONS.format(clients=shape.clients, groups=shape.groups))
        for number, day in enumerate(days):
            names = {"day": day, "number": number, "groups": shape.groups}
            driver.execute(_VISITS.format(facts=shape.facts, **names))
            conversions = shape.facts * CONVERSIONS_PER_HUNDRED_VISITS // 100
            driver.execute(_CONVERSIONS.format(facts=conversions, **names))
        for statement in rebuild_indexes:
            driver.execute(statement)
        driver.commit()
        driver.autocommit = True
        driver.execute("VACUUM (ANALYZE)")


def _drop_indexes(driver: "psycopg.Connection[Any]") -> list[str]:
    """Drop the fact tables' indexes and unique keys; returns the statements that create them again."""
    keys = driver.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype IN ('p', 'u') AND conrelid = ANY (%s::text[]::regclass[])",
        [[f"public.{table}" for table in _FACT_TABLES]],
    ).fetchall()
    references = driver.execute(
        "SELECT conrelid::regclass::text, quote_ident(conname), pg_get_constraintdef(oid) FROM pg_constraint "
        "WHERE contype = 'f' AND confrelid = ANY (%s::text[]::regclass[])",
        [[f"public.{table}" for table in _FACT_TABLES]],
    ).fetchall()
    for table, name, _ in (*references, *keys):
        driver.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
    indexes = driver.execute(
        "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index "
        "WHERE indrelid = ANY (%s::text[]::regclass[])",
        [[f"public.{table}" for table in _FACT_TABLES]],
    ).fetchall()
    for name, _ in indexes:
        driver.execute(f"DROP INDEX {name}")
    return [definition for _, definition in indexes] + [
        f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}" for table, name, definition in (*keys, *references)
    ]
