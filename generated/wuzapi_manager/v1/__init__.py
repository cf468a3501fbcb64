"""Version 1 of the WUZAPI Manager API: generated, never edited."""
