"""Real data sets and workloads to try Pillion on."""
