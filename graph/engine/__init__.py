"""Runs that outlive their callers: a durable queue and event log over any registered graph."""
