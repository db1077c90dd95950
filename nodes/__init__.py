"""One file a node; node name, function name and module name are the same."""
