"""A process that writes rows until it is killed, or as many as it is told, and says which were answered."""

import asyncio
import sys
from functools import partial
from pathlib import Path

from wuzapi_manager_server.storage.database import Database
from wuzapi_manager_server.storage.pragmas import Pragmas

TASKS = 32


async def main() -> None:
    path, prefix, limit = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    database = Database.open(
        path, Pragmas(wal=sys.argv[4] == "wal", mmap_bytes=0), slow=60.0
    )  # its output is read by the test
    sys.stdout.write("open\n")
    sys.stdout.flush()
    sys.stdin.readline()

    def put(key: str) -> None:
        # A read before the write: what fails at once in a deferred transaction when another process has written.
        count = database.rows("SELECT count(*) FROM system_metadata")[0][0]
        database.changed("INSERT INTO system_metadata VALUES (?, ?, '', '')", (key, f"{count}" * 20))

    async def write(task: int) -> None:
        for number in range(limit):
            key = f"{prefix}-{task}-{number}"
            await database.write(partial(put, key))
            sys.stdout.write(f"{key}\n")
            sys.stdout.flush()

    await asyncio.gather(*(write(task) for task in range(TASKS)))
    await database.close()


asyncio.run(main())
