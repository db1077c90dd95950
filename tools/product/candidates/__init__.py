"""Ideas worth measuring, one module a kind."""
