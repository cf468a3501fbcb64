"""`python -m wuzapi_manager_server`."""

from wuzapi_manager_server.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
