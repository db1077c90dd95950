"""The product server: owns one DuckDB file and serves it."""
