"""Rebuild and verify the rollup: SQL files and the thin Python that runs them."""
