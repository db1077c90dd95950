"""The state machine: build, checkpoints, ledger, settings."""

import os

# Read by langgraph at import: unknown types in a checkpoint are refused, not revived.
os.environ.setdefault("LANGGRAPH_STRICT_MSGPACK", "true")
