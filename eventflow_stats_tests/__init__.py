"""Tests of eventflow-stats, on a real PostgreSQL and real Dagster instances."""
