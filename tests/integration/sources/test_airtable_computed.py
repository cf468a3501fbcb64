"""Fields that Airtable computes: what each is computed from, and that none of them tells a token."""

from tests.fakes.airtable import FakeAirtable, FakeField
from tests.integration.sources.airtable import ANA, BASE, Open, fake, opened, soon
from tests.unit.domain.tables import connection, fields_of
from wuzapi_manager_server.domain.caller import Admin
from wuzapi_manager_server.domain.connection import UserLinkValue
from wuzapi_manager_server.sources.base import Query

__all__ = ["fake", "opened"]


async def test_no_computed_field_shows_a_token(fake: FakeAirtable, opened: Open) -> None:
    """Formulas, lookups and rollups of the link field are hidden with it, and so is what does not tell its sources.

    That holds through another table, too; where links are no tokens all is there.
    """
    owner, name = FakeField("owner", id="fldOwner0000000001"), FakeField("name", id="fldName00000000001")
    far = FakeField(
        "tokens", "multipleLookupValues", {"fieldIdInLinkedTable": owner.id, "recordLinkFieldId": "fldX"}, "fldFar"
    )
    fake.make(BASE, "Far", [FakeField("title"), far])
    text = {"result": {"type": "singleLineText"}}
    shout = FakeField("shout", "formula", {"referencedFieldIds": [owner.id], **text}, "fldShout0000000001")
    telling = [
        shout,
        FakeField("louder", "formula", {"referencedFieldIds": [shout.id], **text}),
        FakeField("whose", "multipleLookupValues", {"fieldIdInLinkedTable": owner.id}),
        FakeField("theirs", "multipleLookupValues", {"fieldIdInLinkedTable": far.id}),
        FakeField("most", "rollup", {"fieldIdInLinkedTable": owner.id, "referencedFieldIds": [], **text}),
        FakeField("broken", "formula", {"referencedFieldIds": None, **text}),
        FakeField("press", "button"),
    ]
    harmless = [
        FakeField("greeting", "formula", {"referencedFieldIds": [name.id], **text}),
        FakeField("number", "count", {"recordLinkFieldId": "fldX"}),
        FakeField("mates", "multipleRecordLinks"),
    ]
    table = fake.make(BASE, "T", [owner, name, *telling, *harmless])
    tokens = {field.name: "token-of-bob" for field in telling}
    table.put({"owner": "token-of-ana", "name": "Ana", **tokens, "greeting": "Hi Ana", "number": 1, "mates": ["rec1"]})
    source = opened(table)
    described = await source.describe(soon())
    rows = await source.fetch(Query(ANA, limit=10), soon())
    fields = fields_of(described, connection(link="owner", value=UserLinkValue.TOKEN), Admin())
    assert [field.name for field in fields.all] == ["record_id", "name", *(field.name for field in harmless)]
    assert "token" not in str([row.cells[place] for row in rows for place in fields.places(fields.all)])
    others = fields_of(described, connection(link="owner", value=UserLinkValue.USER_ID), Admin())
    assert [field.name for field in others.all] == [column.name for column in described.columns]
    [listed] = [each for each in (await source.tables(("", ""), 10, soon())).tables if each.name == table.id]
    assert listed == described
