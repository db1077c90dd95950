"""Start a product server: `python -m mcp_servers.product stdio|http --descriptor FILE`."""

from __future__ import annotations

from tools.lazy import lazy
from tools.leaving import leave

# An agent waits for its child to start, and what is imported so is imported sooner.
serving = lazy("mcp_servers.product.serving")

if __name__ == "__main__":
    leave(serving.main())
