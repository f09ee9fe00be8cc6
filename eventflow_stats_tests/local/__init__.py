"""Tests of eventflow_stats: local."""
