"""What SQLAlchemy has made of the statements that come again."""

from sqlalchemy.engine import Compiled
from sqlalchemy.sql.compiler import SQLCompiler

MOST = 256
MOST_VALUES = 64


class Statements(dict[object, Compiled]):
    """At most 256 statements of at most 64 values each: one of 500 takes almost a megabyte, and the next has 499.

    For create_engine, as the execution option `compiled_cache`.
    """

    def __setitem__(self, key: object, compiled: Compiled) -> None:
        if isinstance(compiled, SQLCompiler) and len(compiled.bind_names) > MOST_VALUES:
            return
        if len(self) >= MOST:
            self.clear()
        super().__setitem__(key, compiled)
