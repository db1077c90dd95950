"""The agent as an MCP server: an editor's assistant asks and explains, its person decides."""
