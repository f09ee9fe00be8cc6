"""The `eventflow-stats` command."""
