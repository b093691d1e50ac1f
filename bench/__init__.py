"""Benchmarks of redispy beside the reference servers. See bench/README.md."""
