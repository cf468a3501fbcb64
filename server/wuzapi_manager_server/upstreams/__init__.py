"""Outgoing HTTP: the only place that knows httpx."""
