"""`python -m tests.demo`: a tour of the API on scratch data. With `--stay`, the same server to try things with."""

import argparse
import signal
import sys
import time
from types import FrameType

from tests.demo import sample
from tests.demo.narrator import tell
from tests.demo.stack import CannotStart, Stack, stack
from tests.demo.tour import Tour
from wuzapi_manager_client import ManagerError, WuzapiManager

_CLIENTS = """
    from wuzapi_manager_client import ManagerError, WuzapiManager, contains, eq, gt

    admin = WuzapiManager(address, admin_token="demo-admin-token")
    ana = WuzapiManager(address, token="token-of-ana", language="en")
    bruno = WuzapiManager(address, token="token-of-bruno", language="en")"""


def main(arguments: list[str] | None = None) -> int:
    """Runs the tour, or the server alone until Ctrl-C. The exit code is 0 when all went well."""
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description="A tour of the API on scratch data.")
    parser.add_argument("--stay", action="store_true", help="no tour: serve the scratch data until Ctrl-C")
    parser.add_argument("--port", type=int, help="0 takes a free one (default: 50051 with --stay, else 0)")
    options = parser.parse_args(arguments)
    port = options.port if options.port is not None else 50051 if options.stay else 0
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with stack(port) as running:
            try:
                (_stay if options.stay else _tour)(running)
            except ManagerError as error:
                print(f"\nThe tour broke off: {error}\nThe server's log:\n{running.log.read_text()}", file=sys.stderr)
                return 1
    except CannotStart as error:
        print(str(error).replace("set GRPC_PORT", "give another --port"), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left behind.")
    return 0


def _tour(running: Stack) -> None:
    started = time.monotonic()
    print(f"A server answers on {running.address}, with scratch data. Every step below is the Python client.")
    address = running.address
    with (
        WuzapiManager(address, admin_token=sample.ADMIN_TOKEN) as admin,
        WuzapiManager(address, token=sample.ANA_TOKEN, language="en") as ana,
        WuzapiManager(address, token=sample.BRUNO_TOKEN, language="en") as bruno,
    ):
        print(_CLIENTS)
        for number, step in enumerate(Tour(admin, ana, bruno).steps(), start=1):
            tell(number, step)
    print(f"\nThat was the tour, in {time.monotonic() - started:.1f} s. Nothing is left behind.")
    print("To try the API yourself: .venv/bin/python -m tests.demo --stay, then the lines of README.md.")


def _stay(running: Stack) -> None:
    print(f"A server answers on {running.address}, with scratch data, until Ctrl-C.")
    print(f"  administrator  authorization: {sample.ADMIN_TOKEN}")
    print(f"  Ana            token: {sample.ANA_TOKEN}")
    print(f"  Bruno          token: {sample.BRUNO_TOKEN}")
    print(f"  SQLite file    {sample.FILE}, table {sample.TABLE} (in {running.sources})", flush=True)
    running.process.wait()
    raise CannotStart(running.log.read_text(encoding="utf-8").strip())


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    raise SystemExit(main())
