"""The service: every product of a home over HTTP, one queue, streams that survive restarts."""
