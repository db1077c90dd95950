"""Whole data products made from a seed, each with what came later and what is known about it."""
