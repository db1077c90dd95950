"""Answers to requests in plain words, the same in the terminal, over HTTP and in an editor."""
