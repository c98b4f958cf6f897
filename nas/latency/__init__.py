"""Latency, throughput and memory of networks on a device, and where they are kept."""
