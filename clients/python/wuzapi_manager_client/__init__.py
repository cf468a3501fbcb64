"""The Python client of the WUZAPI Manager data service.

    from wuzapi_manager_client import WuzapiManager, eq

    with WuzapiManager("127.0.0.1:50051", token=my_wuzapi_token) as me:
        for connection in me.list_user_connections():
            for record in me.list_records(connection.id, filter=eq("city", "Recife")):
                print(record.id, record.fields)

Messages such as `Connection` and `Branding` are those of `wuzapi_manager.v1`. Failures are in
`wuzapi_manager_client.errors`, all of them a `ManagerError`. More: `clients/python/README.md`, and the README of the
project, which has an example of each call.
"""

from wuzapi_manager_client.connections import build_connection
from wuzapi_manager_client.errors import ManagerError, Violation
from wuzapi_manager_client.filters import (
    Condition,
    between,
    contains,
    eq,
    ge,
    gt,
    in_,
    is_not_null,
    is_null,
    le,
    lt,
    ne,
    starts_with,
)
from wuzapi_manager_client.manager import WuzapiManager
from wuzapi_manager_client.records import BatchResult, Record, RecordPage
from wuzapi_manager_client.relay import Answer

__all__ = [
    "Answer",
    "BatchResult",
    "Condition",
    "ManagerError",
    "Record",
    "RecordPage",
    "Violation",
    "WuzapiManager",
    "between",
    "build_connection",
    "contains",
    "eq",
    "ge",
    "gt",
    "in_",
    "is_not_null",
    "is_null",
    "le",
    "lt",
    "ne",
    "starts_with",
]
