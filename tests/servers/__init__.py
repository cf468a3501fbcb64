"""Real servers for tests: what installs them where they are missing, and what starts them for a run."""
