"""Surfaces: the command line."""
