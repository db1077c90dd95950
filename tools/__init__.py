"""What can be known and done: plain Python, no LangGraph, no HTTP."""
