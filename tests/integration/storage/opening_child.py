"""A process that opens a database and says how that went; `unprivileged` tries it as an ordinary user."""

import asyncio
import os
import sys
from pathlib import Path

from wuzapi_manager_server.errors import DatabaseError
from wuzapi_manager_server.storage.database import Database

NOBODY = 65534


async def main() -> str:
    path = Path(sys.argv[1])
    if sys.argv[2:] == ["unprivileged"]:
        if os.geteuid() == 0:
            os.seteuid(NOBODY)
    else:
        sys.stdin.readline()
    try:
        database = Database.open(path)
    except DatabaseError as error:
        return error.text.pt
    finally:
        os.seteuid(os.getuid())
    await database.write(lambda: None)
    await database.close()
    return "open"


sys.stdout.write(asyncio.run(main()) + "\n")
