"""Exact, self-verifying daily marketing statistics on PostgreSQL, orchestrated by Dagster."""

__version__ = "0.2.0"
