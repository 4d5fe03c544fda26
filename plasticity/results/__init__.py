"""The record of truth: parquet parts on disk, and how they are read. No torch."""
