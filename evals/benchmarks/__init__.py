"""Benchmarks: claims as commands."""
