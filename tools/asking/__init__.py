"""What a request in plain words asks for: a closed set of plans, and rules that find one."""
