"""A NocoDB of one table for its faults alone: what it does when it is well is tested on a real one."""

import json
from collections.abc import Callable

from tests.fakes.http_server import Answer, FakeServer, Request

TOKEN, BASE, TABLE = "fake-token", "pfake", "mfake"
_COLUMNS: list[dict[str, str | int]] = [
    {"id": "cid", "title": "Id", "uidt": "ID", "dt": "integer", "pk": 1, "ai": 1, "rqd": 1},
    {"id": "cowner", "title": "owner", "uidt": "SingleLineText", "dt": "varchar"},
    {"id": "cname", "title": "name", "uidt": "SingleLineText", "dt": "varchar"},
]
Fault = Callable[[Request], Answer | None]


class FakeNocodb(FakeServer):
    """Answers as NocoDB does, and keeps `rows`; `fault` may answer in its place."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, object]] = [{"Id": 1, "owner": "ana", "name": "one"}]
        self.fault: Fault | None = None

    def answer(self, request: Request) -> Answer:
        """See FakeServer."""
        faulty = self.fault(request) if self.fault else None
        if faulty is not None:
            return faulty
        if request.headers.get("xc-token") != TOKEN:
            return told(401, {"error": "ERR_AUTHENTICATION_REQUIRED", "message": "Authentication required"})
        path = request.path.partition("?")[0]
        if path == f"/api/v2/tables/{TABLE}/records":
            return self._records(request)
        table = {"id": TABLE, "title": "fake", "type": "table", "base_id": BASE, "columns": _COLUMNS}
        known: dict[str, object] = {
            f"/api/v2/tables/{TABLE}/records/count": {"count": len(self.rows)},
            f"/api/v2/meta/tables/{TABLE}": table,
            "/api/v2/meta/bases": {"list": [{"id": BASE}]},
            f"/api/v2/meta/bases/{BASE}/tables": {"list": [{"id": TABLE}]},
        }
        if path in known:
            return told(200, known[path])
        return told(404, {"error": "ERR_TABLE_NOT_FOUND", "message": "Table 'x' not found"})

    def _records(self, request: Request) -> Answer:
        if request.method == "GET":
            return told(200, {"list": self.rows, "pageInfo": {"isLastPage": True}})
        given = json.loads(request.body)
        many: list[dict[str, object]] = given if isinstance(given, list) else [given]
        names = {column["id"]: str(column["title"]) for column in _COLUMNS}
        for one in many:
            values = {names.get(name, name): value for name, value in one.items()}
            if request.method == "POST":
                values["Id"] = len(self.rows) + 1
                one["Id"] = values["Id"]
                self.rows.append({"Id": None, "owner": None, "name": None, **values})
            for row in self.rows:
                if request.method == "PATCH" and row["Id"] == values["Id"]:
                    row.update(values)
        if request.method == "DELETE":
            self.rows = [row for row in self.rows if row["Id"] not in [one["Id"] for one in many]]
        keys = [{"Id": one["Id"]} for one in many]
        return told(200, keys if isinstance(given, list) else keys[0])


def told(status: int, body: object, **headers: str) -> Answer:
    """An answer of JSON."""
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, json.dumps(body).encode(), headers=named)
