"""Where facts may be hidden, nothing is written and nothing is called verified."""

from collections.abc import Iterator

import psycopg
import pytest
from psycopg import sql

from eventflow_stats.engine.explain import AskedGroup, explain
from eventflow_stats.engine.postgres.database import Database
from eventflow_stats.engine.quality.kpis import compute_quality
from eventflow_stats.engine.rollup.detect import detect
from eventflow_stats.engine.rollup.rebuild import rebuild
from eventflow_stats.engine.rollup.sweep import sweep
from eventflow_stats.engine.status.health import find_problems, read_status
from eventflow_stats.engine.verification.sample import verify_sample
from eventflow_stats.engine.verification.verify import verify
from eventflow_stats.errors import Unverifiable
from eventflow_stats_tests.engine.ordinary_owner import owned_database
from eventflow_stats_tests.engine.two_clients import DAY, Shop
from eventflow_stats_tests.facts import Product
from eventflow_stats_tests.rollup import stored_groups

pytestmark = pytest.mark.environment

__all__ = ["owned_database"]


@pytest.fixture
def shop(owned_database: Database, server: str) -> Iterator[Shop]:
    """Facts are written by a superuser, from whom no policy hides them."""
    name = owned_database.url.database
    with psycopg.connect(server.replace("/eventflow", f"/{name}"), autocommit=True) as superuser:
        yield Shop(owned_database, Product(superuser))


def works(shop: Shop) -> dict[str, object]:
    """All work that computes from facts, or compares with them."""
    return {
        "detect": lambda: detect(shop.database),
        "sweep": lambda: list(sweep(shop.database, [DAY])),
        "rebuild": lambda: list(rebuild(shop.database, [DAY])),
        "verify": lambda: list(verify(shop.database, [DAY])),
        "sample": lambda: list(verify_sample(shop.database, seed=1)),
        "data quality": lambda: list(compute_quality(shop.database, [DAY])),
    }


def must_refuse_everything(shop: Shop, assumption: str) -> None:
    """All work names the assumption; neither rollup nor ledger changes."""
    before = stored_groups(shop.product.connection), _ledger(shop)
    for work in works(shop).values():
        with pytest.raises(Unverifiable, match=assumption):
            work()  # type: ignore[operator]
    assert (stored_groups(shop.product.connection), _ledger(shop)) == before


def _ledger(shop: Shop) -> list[tuple[object, ...]]:
    rows = "SELECT * FROM eventflow_stats.client_days ORDER BY client_id, bucket_date"
    days = "SELECT * FROM eventflow_stats.days ORDER BY bucket_date"
    return [*shop.product.connection.execute(rows), *shop.product.connection.execute(days)]


@pytest.mark.parametrize("table", ["event_access_logs", "event_survey_entries", "event_survey_campaigns"])
def test_forced_row_level_security_deletes_nothing_and_verifies_nothing(shop: Shop, table: str) -> None:
    name = sql.Identifier(table)
    shop.product.connection.execute(sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(name))
    shop.product.connection.execute(sql.SQL("ALTER TABLE {} FORCE ROW LEVEL SECURITY").format(name))
    must_refuse_everything(shop, "nothing hidden")


def test_a_view_of_an_owner_who_sees_no_rows_deletes_nothing_and_verifies_nothing(shop: Shop) -> None:
    run = shop.product.connection.execute
    run("CREATE ROLE sees_nothing")
    try:
        run("GRANT SELECT ON ALL TABLES IN SCHEMA public TO sees_nothing")
        run("GRANT USAGE ON SCHEMA eventflow_stats TO sees_nothing")
        run("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA eventflow_stats TO sees_nothing")
        run("ALTER VIEW eventflow_stats.visit_facts OWNER TO sees_nothing")
        run("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
        must_refuse_everything(shop, "nothing hidden")
    finally:
        run("ALTER VIEW eventflow_stats.visit_facts OWNER TO CURRENT_USER")
        run("DROP OWNED BY sees_nothing")
        run("DROP ROLE sees_nothing")


def test_a_view_that_reads_as_its_caller_is_unverifiable(shop: Shop) -> None:
    shop.product.connection.execute("ALTER VIEW eventflow_stats.conversion_facts SET (security_invoker = true)")
    must_refuse_everything(shop, "reads as its caller|permission denied")


@pytest.mark.parametrize("right", ["SELECT", "SELECT (client_id)"], ids=["table", "column"])
def test_a_right_that_the_views_owner_lost_is_named_and_recorded(shop: Shop, right: str) -> None:
    run = shop.product.connection.execute
    owner = shop.database.url.username
    run("GRANT SELECT ON event_survey_campaigns TO PUBLIC")
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]
    run("REVOKE ALL ON event_survey_campaigns FROM PUBLIC")
    run(f"REVOKE ALL ON event_survey_campaigns FROM {owner}".encode())
    if right != "SELECT":
        run(f"GRANT SELECT (id, title) ON event_survey_campaigns TO {owner}".encode())
    must_refuse_everything(shop, f"nothing hidden: public.event_survey_campaigns may not be read by {owner}")
    assert "unverifiable (nothing hidden)" in " ".join(map(str, find_problems(read_status(shop.database))))
    run(f"GRANT SELECT ON event_survey_campaigns TO {owner}".encode())
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]


def test_policies_that_hide_nothing_from_the_owner_are_accepted(shop: Shop) -> None:
    shop.product.connection.execute("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
    assert [day.result for day in verify(shop.database, [DAY])] == ["verified"]


def test_postgresql_itself_refuses_where_the_check_does_not_find_the_policy(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("eventflow_stats.engine.assumptions.assumptions.ASSUMPTIONS", ())
    shop.product.connection.execute("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
    shop.product.connection.execute("ALTER TABLE event_access_logs FORCE ROW LEVEL SECURITY")
    must_refuse_everything(shop, "nothing hidden")


def test_a_verification_records_the_assumptions_that_held(shop: Shop) -> None:
    list(verify(shop.database, [DAY]))
    rows = shop.product.connection.execute("SELECT assumptions FROM eventflow_stats.days WHERE bucket_date = %s", [DAY])
    (held,) = rows.fetchone() or ()
    assert "nothing hidden" in held


def test_a_broken_assumption_is_recorded_until_it_holds_again(shop: Shop) -> None:
    run = shop.product.connection.execute
    run("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
    run("ALTER TABLE event_access_logs FORCE ROW LEVEL SECURITY")
    with pytest.raises(Unverifiable):
        detect(shop.database)
    since, reason = run("SELECT unverifiable_since, unverifiable_reason FROM eventflow_stats.progress").fetchone() or ()
    assert since is not None
    assert "event_access_logs" in reason
    run("ALTER TABLE event_access_logs NO FORCE ROW LEVEL SECURITY")
    detect(shop.database)
    assert run("SELECT unverifiable_since FROM eventflow_stats.progress").fetchone() == (None,)


def test_numbers_measured_for_an_answer_are_an_error_where_facts_are_hidden(shop: Shop) -> None:
    run = shop.product.connection.execute
    measured = "SELECT sum(visits) FROM eventflow_stats.raw_groups(%s, ARRAY[%s::date])"
    run("SET ROLE eventflow_stats_reader")
    assert run(measured, [shop.ours, DAY]).fetchone() == (1,)
    run("RESET ROLE")
    run("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
    run("ALTER TABLE event_access_logs FORCE ROW LEVEL SECURITY")
    run("SET ROLE eventflow_stats_reader")
    with pytest.raises(psycopg.errors.InsufficientPrivilege, match="row-level security"):
        run(measured, [shop.ours, DAY])
    run("RESET ROLE")


def test_an_explanation_is_refused_where_facts_are_hidden(shop: Shop) -> None:
    assert explain(shop.database, shop.ours, DAY, AskedGroup())["matching"] == 1
    shop.product.connection.execute("ALTER TABLE event_access_logs ENABLE ROW LEVEL SECURITY")
    shop.product.connection.execute("ALTER TABLE event_access_logs FORCE ROW LEVEL SECURITY")
    with pytest.raises(Unverifiable, match="nothing hidden"):
        explain(shop.database, shop.ours, DAY, AskedGroup())
