"""Tools exposed over MCP, one folder a server."""
