"""The `pillion` command."""
