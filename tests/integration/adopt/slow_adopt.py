"""`wuzapi-manager` whose reading of a copied database takes a minute. Run as a program, it says when that begins."""

import signal
import sys
import time
from unittest.mock import patch

from wuzapi_manager_server import cli
from wuzapi_manager_server.storage import original


def slowly(*_arguments: object) -> original.Original:
    sys.stdout.write("reading\n")
    sys.stdout.flush()
    time.sleep(60)
    raise AssertionError


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs in the background ignore it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and nohup this
    with patch.object(original, "_read", slowly):
        raise SystemExit(cli.main())
