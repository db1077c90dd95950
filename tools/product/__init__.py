"""The data product: its file, workload, shadow, contract and changes."""
