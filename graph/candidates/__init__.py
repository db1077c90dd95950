"""Every candidate of a home for the judge, compared on the answers of its ledger."""
