"""Rebuild and prove the rollup: SQL files and the thin Python that runs them."""
