"""Tests of eventflow_stats: cli."""
