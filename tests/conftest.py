"""Servers that a run shares: started by the first test that needs one, stopped with the run."""

import pytest

from tests.servers.nocodb_server import NocodbServer, begin_run, end_run, server_or_skip


def pytest_configure(config: pytest.Config) -> None:
    """The process that begins the run makes the folder that its workers share."""
    begin_run()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stops the servers that were started for the run."""
    end_run()


@pytest.fixture(scope="session")
def nocodb_server() -> NocodbServer:
    """A real NocoDB."""
    return server_or_skip()
