"""What callers can do: use cases over the database, the sources and the upstreams."""
