"""Checks of everything that can be wrong with a deployment; none of them changes anything."""
