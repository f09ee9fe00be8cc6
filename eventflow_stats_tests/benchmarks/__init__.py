"""Tests of eventflow_stats: benchmarks."""
