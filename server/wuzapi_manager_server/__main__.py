"""`wuzapi-manager`, and `python -m wuzapi_manager_server`: the base install has the program, but not what it needs."""

import sys
from importlib import import_module


def main() -> int:
    """Runs the command line; one sentence where only the client is installed."""
    try:
        cli = import_module("wuzapi_manager_server.cli")
    except ModuleNotFoundError as error:
        if (error.name or "wuzapi_manager").startswith("wuzapi_manager"):
            raise
        print(
            f"The server is not installed here ({error.name} is missing): pip install 'wuzapi-manager[server]'",
            file=sys.stderr,
        )
        return 1
    code: int = cli.main()
    return code


if __name__ == "__main__":
    raise SystemExit(main())
