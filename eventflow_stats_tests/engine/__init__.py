"""Tests of eventflow_stats: engine."""
