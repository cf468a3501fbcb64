"""The tour: each step is a few lines of the Python client. The narrator prints them, then runs them."""

from collections.abc import Callable

from tests.demo import sample
from wuzapi_manager_client import ManagerError, WuzapiManager, contains, eq, gt


class Tour:
    """What is done, step by step, in this order. A step's docstring is its caption, its body is what readers see."""

    def __init__(self, admin: WuzapiManager, ana: WuzapiManager, bruno: WuzapiManager) -> None:
        self.admin = admin
        self.ana = ana
        self.bruno = bruno
        self.shop = 0
        self.marta = ""
        self.etag = ""

    def steps(self) -> list[Callable[[], None]]:
        """The steps in their order."""
        return [
            self.describe,
            self.validate,
            self.create,
            self.test,
            self.assign,
            self.whose,
            self.find,
            self.page,
            self.make,
            self.refuse_values,
            self.change,
            self.refuse_stale,
            self.refuse_others,
            self.delete,
            self.export,
            self.brand,
        ]

    def describe(self) -> None:
        """The administrator looks into a SQLite file before connecting it: its tables, columns, and a suggestion."""
        for table in self.admin.describe_source(sqlite={"database": sample.FILE}):
            print(table.name, [f"{column.field}: {column.native_type}" for column in table.columns])
            print("whose a row is, it seems:", table.suggested_user_link_field)

    def validate(self) -> None:
        """A dry run of a connection tells every bad field at once, in English and Portuguese."""
        try:
            self.admin.create_connection(name="", sqlite={"database": sample.FILE}, validate_only=True)
        except ManagerError as error:
            for field, message, em_portugues in error.violations:
                print(f"{field}: {message} ({em_portugues})")

    def create(self) -> None:
        """It connects the table. user_link_field names the column that says whose a row is; here it holds tokens."""
        connection = self.admin.create_connection(
            name="Lojas",
            sqlite={"database": sample.FILE, "table_name": sample.TABLE},
            user_link_field="user_token",
            field_mappings=[
                {"field": "id", "editable": False},
                {"field": "name", "label": "Nome", "required": True},
                {"field": "phone", "label": "Telefone", "validation": {"pattern": "[0-9]{12,13}"}},
                {"field": "city", "label": "Cidade"},
                {"field": "credit", "label": "Crédito", "validation": {"min": 0}},
                {"field": "active", "label": "Ativo"},
                {"field": "since", "label": "Cliente desde"},
            ],
        )
        self.shop = connection.id
        print("connection", connection.id, "with etag", connection.etag)

    def test(self) -> None:
        """It tests the connection, step by step."""
        for step in self.admin.test_connection(self.shop).steps:
            print("ok  " if step.ok else "FAIL", step.name, "-", step.message)

    def assign(self) -> None:
        """It lets two users in, by their WUZAPI tokens (or ids)."""
        self.admin.assign_users(self.shop, [sample.ANA_TOKEN, sample.BRUNO_TOKEN])

    def whose(self) -> None:
        """One table, two users: each sees only their own rows. The service asks WUZAPI whose a token is."""
        print([connection.name for connection in self.ana.list_user_connections()])
        print("Ana:", self.ana.count_records(self.shop), "Bruno:", self.bruno.count_records(self.shop))
        print("the administrator:", self.admin.count_records(self.shop))

    def find(self) -> None:
        """Ana filters, sorts and picks fields. Decimals travel as text, so that no cent is lost."""
        recife = eq("city", "Recife") & gt("credit", 100)
        for record in self.ana.list_records(
            self.shop, filter=recife, order_by="credit desc", fields=["name", "credit"]
        ):
            print(record.id, record.fields)
        for record in self.ana.list_records(self.shop, search="lin", fields=["name", "city"]):
            print(record.id, record.fields)

    def page(self) -> None:
        """Bruno goes page by page. list_records does that by itself; list_records_page is for those who show pages."""
        first = self.bruno.list_records_page(self.shop, page_size=5, order_by="name", count_total=True)
        print("of", first.total_size, [record.fields["name"] for record in first.records])
        token = first.next_page_token
        second = self.bruno.list_records_page(self.shop, page_size=5, order_by="name", page_token=token)
        print([record.fields["name"] for record in second.records])

    def make(self) -> None:
        """Ana makes a record. The service stamps it as hers; nobody can make one for somebody else."""
        record = self.ana.create_record(self.shop, {"name": "Marta Cançado", "credit": "12.50"})
        self.marta, self.etag = record.id, record.etag
        print(record.id, record.fields)

    def refuse_values(self) -> None:
        """What the mapping does not allow is refused, every bad field at once, and nothing is changed."""
        try:
            self.ana.update_record(self.shop, self.marta, {"phone": "chame no zap", "credit": -1, "nickname": "Má"})
        except ManagerError as error:
            print(type(error).__name__, error.reason, [violation.field for violation in error.violations])

    def change(self) -> None:
        """She changes one field of it, if it is still as she read it: that is what the etag is for."""
        record = self.ana.update_record(self.shop, self.marta, {"city": "Olinda"}, etag=self.etag)
        print(record.fields["city"], "with a new etag:", record.etag != self.etag)

    def refuse_stale(self) -> None:
        """The same again with the old etag is refused, and the error holds the current one."""
        try:
            self.ana.update_record(self.shop, self.marta, {"city": "Recife"}, etag=self.etag)
        except ManagerError as error:
            print(type(error).__name__, error.reason, sorted(error.metadata))
            print(f"{error.message}. {error.suggestion}.")

    def refuse_others(self) -> None:
        """Bruno tries Ana's row. For him it is not there: he cannot read, change or delete it, nor learn it exists."""
        for attempt in (
            lambda: self.bruno.get_record(self.shop, self.marta),
            lambda: self.bruno.update_record(self.shop, self.marta, {"city": "São Paulo"}),
            lambda: self.bruno.delete_record(self.shop, self.marta),
            lambda: self.bruno.create_record(self.shop, {"name": "Golpe", "user_token": sample.ANA_TOKEN}),
        ):
            try:
                attempt()
            except ManagerError as error:
                print(type(error).__name__, "-", error.message)
        print("Bruno finds:", list(self.bruno.list_records(self.shop, filter=contains("name", "Marta"))))

    def delete(self) -> None:
        """Ana deletes her record."""
        self.ana.delete_record(self.shop, self.marta)
        print("Ana has", self.ana.count_records(self.shop))

    def export(self) -> None:
        """She exports her rows as CSV. The stream comes in pieces and goes on where it was if the way breaks."""
        pieces = self.ana.export_records(self.shop, format="CSV", fields=["name", "city", "since"])
        print(*b"".join(pieces).decode().splitlines()[:4], sep="\n")

    def brand(self) -> None:
        """The administrator changes the branding; anyone may read it. Every change can be rolled back."""
        first = self.admin.update_branding(app_name="Lojas & Cia", primary_color="#0b5d3b")
        print(first.primary_color, "is read best with text in", first.primary_text_color)
        self.admin.update_branding(app_name="Lojas e Companhia")
        self.admin.rollback_branding(first.revision)
        branding = self.ana.get_branding()
        print(branding.app_name, "- revision", branding.revision)
