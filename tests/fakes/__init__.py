"""Doubles of the servers that this service talks to: real servers on real sockets."""
