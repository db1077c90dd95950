"""Small models: a judge that reads the facts of a proposal, and how it learns from answers."""
