"""Steps of a user who writes: what is made, changed and deleted is the user's own."""

import json
from collections.abc import Sequence
from functools import partial
from uuid import uuid4

from hypothesis import event
from hypothesis import strategies as st

from tests.contract.desk import Desk, plain
from tests.e2e.row_scope_engine import canon
from tests.e2e.row_scope_story import KINDS, Story, caught, once_in
from tests.e2e.row_scope_watch import Refused
from wuzapi_manager.v1 import record_pb2 as pb


def creates(story: Story, desk: Desk) -> None:
    """A new row is the maker's, and so is the answer to a repeated request."""
    values = {story.tag: next(story.tags)} if story.draw(once_in(3)) else story.values()
    used = story.draw(st.sampled_from([uuid4().hex, *story.used]), "request id") if story.used else uuid4().hex
    request_id = _uuid_of(used)
    dry = story.draw(once_in(6), "dry run")
    sure = story.table.takes_any_tag() and [*values] == [story.tag]
    repeated = used in story.used
    try:
        made = desk.create(values, request_id=request_id, validate_only=dry)
    except Refused:
        assert not sure or repeated, "what the table takes was refused"
        raise
    assert story.may_write(values)
    # A dry run repeats nothing and is repeated by nothing.
    assert dry or not repeated or story.used[used] is not desk.caller, "an id was taken for another request"
    assert plain(made)[story.tag] == values[story.tag]
    if not dry:
        story.used[used] = desk.caller
        assert desk.create(values, request_id=request_id) == made
    assert len(story.owned_now(desk)) == len(story.own) + (not dry)


def updates(story: Story, desk: Desk) -> None:
    """An update changes the one own row that it names."""
    target, own = story.target()
    values = story.values(target.tag)
    mask = story.draw(st.sampled_from([[], [], [], ["*"], [*values], ["owner"]]), "mask")
    etag = story.draw(st.sampled_from(["", "", target.etag, target.etag, "another"]), "etag")
    dry = story.draw(once_in(6), "dry run")
    refusal = caught(partial(desk.update, target.id, values, mask, etag=etag, validate_only=dry))
    if refusal:
        assert target.id in own or mask or not story.may_write(values) or refusal.code in story.absent()
        raise refusal
    assert target.id in own
    if mask == ["*"]:  # passes over what may be seen and not be written
        assert all(field in story.table.visible for field in values)
    else:
        assert story.may_write([field for field in values if not mask or field in mask])
    story.changed(desk, {target.tag}, dry=dry)


def deletes(story: Story, desk: Desk) -> None:
    """A delete takes the one own row that it names."""
    target, own = story.target()
    etag = story.draw(st.sampled_from(["", "", target.etag, target.etag, "another"]), "etag")
    dry = story.draw(once_in(6), "dry run")
    refusal = caught(partial(desk.delete, target.id, etag=etag, validate_only=dry))
    if refusal:
        assert target.id in own or refusal.code in story.absent()
        raise refusal
    assert target.id in own
    story.gone(desk, {target.tag}, dry=dry)


def batches(story: Story, desk: Desk) -> None:
    """A batch is done whole, or, with another's row among its own, not at all."""
    kind = story.draw(st.sampled_from(["create", "update", "delete"]), "batch")
    dry = story.draw(once_in(6), "dry run")
    if kind == "create":
        rows = [story.values() for _ in range(story.draw(st.integers(1, 3), "items"))]
        made = desk.create_many(rows, validate_only=dry)
        assert all(map(story.may_write, rows))
        # Without transactions each is for itself, and who was refused has a status of its own.
        refused = {at for at, status in enumerate(made.statuses) if status.code}
        done = [pair for at, pair in enumerate(zip(made.records, rows, strict=True)) if at not in refused]
        assert not (made.atomic and refused)
        assert [plain(one)[story.tag] for one, _ in done] == [row[story.tag] for _, row in done]
        assert len(story.owned_now(desk)) == len(story.own) + len(done) * (not dry)
        return
    targets = [story.target() for _ in range(story.draw(st.integers(1, 3), "items"))]
    tags = {target.tag for target, _ in targets}
    if kind == "update":
        changes = [(target.id, story.values(target.tag), "") for target, _ in targets]
        desk.update_many(changes, validate_only=dry)
        assert all(story.may_write(values) for _, values, _ in changes)
        story.changed(desk, tags, dry=dry)
    else:
        answer = desk.delete_many([target.id for target, _ in targets], validate_only=dry)
        # Without transactions each is for itself here too: NocoDB takes no empty key.
        kept = {targets[at][0].tag for at, status in enumerate(answer.statuses) if status.code}
        assert not (answer.atomic and kept)
        story.gone(desk, tags - kept, dry=dry)
    assert all(target.id in own for target, own in targets)


def imports(story: Story, desk: Desk) -> None:
    """What is imported is the importer's, and lines that name what may not be written are not."""
    lines = [story.values() for _ in range(story.draw(st.integers(1, 4), "lines"))]
    kind = story.draw(KINDS, "format")
    dry = story.draw(once_in(6), "dry run")
    if kind == pb.FILE_FORMAT_CSV:
        header = [*lines[0]]
        lines = [{field: line.get(field) for field in header} for line in lines]
        data = "\r\n".join([_csv_line(header), *(_csv_line([*line.values()]) for line in lines)]).encode()
    else:
        data = "\n".join(map(json.dumps, lines)).encode()
    report = desk.take_in(
        data, kind, skip=story.draw(st.booleans(), "skip"), validate_only=dry, piece=story.draw(st.integers(3, 99))
    )
    event(f"imported some: {report.created_count > 0}")
    assert report.created_count <= sum(map(story.may_write, lines))
    now = story.owned_now(desk)
    assert len(now) == len(story.own) + report.created_count * (not dry), (canon(now), canon(story.table.rows()))


def _uuid_of(text: str) -> str:
    """A UUID in the spelling with hyphens."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _csv_line(cells: Sequence[object]) -> str:
    """A line of CSV in which null and empty text differ."""
    return ",".join("" if cell is None else '"' + str(cell).replace('"', '""') + '"' for cell in cells)
