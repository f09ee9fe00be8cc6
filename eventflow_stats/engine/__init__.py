"""Keeps the daily rollup equal to the facts: SQL files and the thin Python that runs them. See README.md."""
