"""Speed and memory of a real server, as ratios within one run: `make bench`."""
