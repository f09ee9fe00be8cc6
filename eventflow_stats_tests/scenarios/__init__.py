"""Tests of eventflow_stats: scenarios."""
