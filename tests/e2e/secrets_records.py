"""RecordService and BrandingService as a whole, with records and callers that nobody else may learn of."""

from functools import partial
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask

from tests.contract.desk import Desk, compared
from tests.e2e.secrets_tour import Tour, failing
from wuzapi_manager.v1 import branding_pb2 as branding
from wuzapi_manager.v1 import connection_pb2 as connections
from wuzapi_manager.v1 import record_pb2 as pb


def records(tour: Tour) -> None:
    """Ana writes and reads, the administrator acts as others, and much is refused."""
    stage, marks, identifier = tour.stage, tour.marks, tour.ids["sqlite"]
    ana, bruno = Desk(stage.calling(token=marks.ana), identifier), Desk(stage.calling(token=marks.bruno), identifier)
    admin, acting = Desk(stage.admin, identifier), Desk(stage.admin, identifier, as_user=marks.as_user)
    bruno.create({"name": "of bruno"})
    first, second, third, fourth, fifth, sixth = marks.records
    once = str(uuid4())
    one = ana.create({"name": first, "age": 1}, request_id=once)
    assert ana.create({"name": first, "age": 1}, request_id=once) == one
    acting.create({"name": "of somebody"})
    ana.create_many([{"name": second}, {"name": third}], request_id=str(uuid4()))
    ana.update(one.id, {"name": fourth})
    ana.update_many([(one.id, {"name": fifth}, "")])
    ana.take_in(b'{"name": "' + sixth.encode() + b'"}\n')
    ana.take_in(b'{"name": "' + sixth.encode() + b'"}\n{"age": "' + sixth.encode() + b'"}\n', skip=True)
    assert len(list(ana.pages(order_by="name desc", page_size=1))) == 4
    assert ana.all(compared("name", pb.OP_CONTAINS, fifth), search=fifth)
    ana.get(one.id)
    ana.count(compared("name", pb.OP_EQ, fifth))
    ana.describe()
    admin.describe()
    assert len(list(ana.chunks())) > 0
    for desk in (admin, acting, bruno):
        desk.all()
        desk.export()
        desk.count()
    assert acting.count() == 1
    page = ana.page(order_by="name", page_size=1)
    json = ana.page(order_by="name", page_size=1, json=True)
    assert first not in str(json.records)
    cheating = Desk(ana.caller, identifier, as_user=marks.as_user)
    nowhere = Desk(ana.caller, 10**9)
    spaced = Desk(stage.admin, identifier, as_user=f"{marks.as_user}\0 ")
    failing(
        lambda: bruno.get(one.id),
        lambda: bruno.update(one.id, {"name": "mine"}),
        lambda: bruno.delete(one.id),
        lambda: bruno.delete_many([one.id]),
        lambda: bruno.page(order_by="name", page_token=page.next_page_token),
        lambda: ana.page(order_by="age", page_token=page.next_page_token),
        lambda: ana.page(page_token=marks.ana),
        lambda: ana.page(compared(fifth, pb.OP_EQ, fifth)),
        lambda: ana.page(compared("age", pb.OP_EQ, fifth)),
        lambda: ana.page(compared("owner", pb.OP_EQ, marks.ana)),
        lambda: ana.page(order_by=fifth),
        lambda: ana.count(compared("age", pb.OP_BETWEEN, [fifth])),
        lambda: ana.get(fifth),
        lambda: ana.create({"name": second}),
        lambda: ana.create({"age": second}),
        lambda: ana.create({"owner": marks.bruno}),
        lambda: ana.create({"name": second, second: second}),
        lambda: ana.create({"name": "other"}, request_id=once),
        lambda: ana.create_many([{"name": "fine"}, {"name": second}]),
        lambda: ana.create_many([{"name": "fine"}, {"age": second}]),
        lambda: ana.update(one.id, {"name": second}),
        lambda: ana.update(one.id, {"name": "x"}, etag=fifth),
        lambda: ana.update(one.id, {"name": "x"}, mask=[fifth]),
        lambda: ana.update(one.id, {"owner": marks.bruno}),
        lambda: ana.update_many([(one.id, {"name": second}, "")]),
        lambda: ana.delete(one.id, etag=fifth),
        lambda: ana.delete_many([one.id, fifth]),
        lambda: ana.take_in(b'{"name": "' + second.encode() + b'"}\n', pb.FileFormat.ValueType(99)),
        lambda: list(ana.chunks(resume_token=fifth)),
        lambda: list(ana.chunks(where=compared("age", pb.OP_EQ, fifth))),
        cheating.describe,
        cheating.page,
        cheating.count,
        lambda: list(cheating.chunks()),
        lambda: cheating.create({"name": "x"}),
        lambda: cheating.get(one.id),
        lambda: cheating.take_in(b'{"name": "x"}\n'),
        nowhere.describe,
        lambda: nowhere.create({"name": second}),
        lambda: admin.create({"name": second}),
        lambda: spaced.create({"name": second}),
    )
    ana.delete(one.id)
    ana.delete_many([ana.page(search=second).records[0].id])


def callers(tour: Tour) -> None:
    """Tokens that are wrong, malformed, or those of somebody who is not assigned."""
    stage, marks, identifier = tour.stage, tour.marks, tour.ids["sqlite"]
    everyone: tuple[dict[str, str], ...] = (
        {"token": marks.wrong_user},
        {"token": f"{marks.wrong_user} {marks.wrong_user}"},
        {"token": marks.wrong_user * 20},
        {"authorization": marks.wrong_admin},
        {"authorization": f"Bearer {marks.wrong_admin}"},
        {"authorization": f"Basic {marks.wrong_admin}"},
        {"authorization": marks.wrong_admin * 20, "token": marks.ana},
        {"authorization": f"Bearer {marks.ana}"},
        {},
    )
    for metadata in everyone:
        caller = stage.calling(**metadata)
        failing(
            Desk(caller, identifier).page,
            partial(caller.connections.ListConnections, connections.ListConnectionsRequest()),
            partial(caller.connections.ListUserConnections, connections.ListUserConnectionsRequest()),
            partial(caller.branding.ResetBranding, branding.ResetBrandingRequest()),
        )


def brandings(tour: Tour) -> None:
    """BrandingService, rightly and wrongly."""
    rpc = tour.stage.admin.branding
    made = rpc.UpdateBranding(branding.UpdateBrandingRequest(branding=branding.Branding(app_name="A name"))).branding
    rpc.RollbackBranding(branding.RollbackBrandingRequest(revision=made.revision))
    rpc.ResetBranding(branding.ResetBrandingRequest())
    rpc.ListBrandingRevisions(branding.ListBrandingRevisionsRequest(page_size=1))
    rpc.GetBranding(branding.GetBrandingRequest())
    red = branding.Branding(primary_color="red")
    failing(
        lambda: rpc.UpdateBranding(branding.UpdateBrandingRequest(branding=red)),
        lambda: rpc.UpdateBranding(
            branding.UpdateBrandingRequest(branding=made, update_mask=FieldMask(paths=["nothing"]))
        ),
        lambda: rpc.RollbackBranding(branding.RollbackBrandingRequest(revision=10**9)),
        lambda: rpc.ResetBranding(branding.ResetBrandingRequest(etag="wrong")),
        lambda: rpc.ListBrandingRevisions(branding.ListBrandingRevisionsRequest(page_token=tour.marks.ana)),
    )
