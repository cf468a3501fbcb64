"""Runs `wuzapi-manager serve` for each SQLITE_DB_PATH that is given, in a process of its own, and tells how it ended.

What is imported is imported once: this is for many starts that fail.
"""

import json
import os
import sys
import tempfile

from wuzapi_manager_server.cli import main


def ended(path: str) -> tuple[int, str]:
    """The exit code of a start, and what was on its standard error."""
    with tempfile.TemporaryFile("w+") as said:
        child = os.fork()
        if not child:
            os.dup2(said.fileno(), 2)
            os.environ.update(SQLITE_DB_PATH=path, GRPC_PORT="0")
            code = 70
            try:
                code = main(["serve"])
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read()


if __name__ == "__main__":
    print(json.dumps([ended(path) for path in sys.argv[1:]]))  # noqa: T201 - what its parent reads
