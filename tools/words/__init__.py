"""What is told of proposals and columns: facts, templates, and a check of any other wording."""
