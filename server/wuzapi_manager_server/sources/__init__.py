"""The tables that live elsewhere, one file an engine, all behind one protocol."""
