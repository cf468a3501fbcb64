"""The WUZAPI Manager data service."""
