"""The benchmarks' driver: starts servers, runs load, compares medians."""
