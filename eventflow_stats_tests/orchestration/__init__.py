"""Tests of eventflow_stats: orchestration."""
