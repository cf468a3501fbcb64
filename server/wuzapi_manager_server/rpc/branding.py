"""BrandingService."""

from collections.abc import Sequence
from dataclasses import fields, replace

from google.protobuf.field_mask_pb2 import FieldMask
from grpc.aio import ServicerContext

from wuzapi_manager.v1 import branding_pb2 as pb
from wuzapi_manager.v1 import branding_pb2_grpc
from wuzapi_manager_server.domain.branding import Branding, text_color
from wuzapi_manager_server.domain.branding_rules import SUMMARY
from wuzapi_manager_server.errors import InvalidInput, Text, Violation
from wuzapi_manager_server.rpc.call import current
from wuzapi_manager_server.rpc.convert_common import timestamp_to
from wuzapi_manager_server.rpc.pages import cut
from wuzapi_manager_server.rpc.requests import Problems, binding, required
from wuzapi_manager_server.rpc.wire import field as wire_field
from wuzapi_manager_server.rpc.wire import serialized
from wuzapi_manager_server.services.branding import Brandings
from wuzapi_manager_server.services.page_tokens import PageTokens, page_size

_DEFAULT_PAGE, _LARGEST_PAGE = 20, 100
_SETTABLE = tuple(field.name for field in fields(Branding) if field.name not in ("revision", "update_time"))
Context = ServicerContext[object, object]


class BrandingServicer(branding_pb2_grpc.BrandingServiceServicer):
    """Answers BrandingService. `page_bytes` bounds an answer's size."""

    def __init__(self, brandings: Brandings, tokens: PageTokens, page_bytes: int) -> None:
        self._brandings = brandings
        self._tokens = tokens
        self._page_bytes = page_bytes
        self._answer: tuple[int, bytes] = (-1, b"")

    async def GetBranding(self, request: pb.GetBrandingRequest, context: Context) -> pb.GetBrandingResponse:
        """See the proto. The answer is kept serialized; the revision is read anew each time."""
        revision = self._brandings.store.current_revision()
        kept, answer = self._answer
        if kept != revision:
            branding = self._brandings.current()
            answer = wire_field(1, branding_to(branding).SerializeToString())
            self._answer = (branding.revision, answer)
        return serialized(pb.GetBrandingResponse, answer)

    async def UpdateBranding(self, request: pb.UpdateBrandingRequest, context: Context) -> pb.UpdateBrandingResponse:
        """See the proto."""
        paths, unknown = _paths(request.branding, request.update_mask)
        changes = {path: getattr(request.branding, path) for path in paths}
        branding = await self._brandings.update(
            request.branding.etag,
            lambda current: replace(current, **changes),
            page=changes.get("custom_home_html"),
            also=unknown,
            validate_only=request.validate_only,
        )
        return pb.UpdateBrandingResponse(branding=branding_to(branding))

    async def ResetBranding(self, request: pb.ResetBrandingRequest, context: Context) -> pb.ResetBrandingResponse:
        """See the proto."""
        branding = await self._brandings.reset(request.etag, validate_only=request.validate_only)
        return pb.ResetBrandingResponse(branding=branding_to(branding))

    async def ListBrandingRevisions(
        self, request: pb.ListBrandingRevisionsRequest, context: Context
    ) -> pb.ListBrandingRevisionsResponse:
        """See the proto."""
        problems = Problems()
        bound = binding(current().caller, request, "page_size", "page_token")
        size = problems.attempt(lambda: page_size(request.page_size, _DEFAULT_PAGE, _LARGEST_PAGE), 1)
        place = problems.attempt(lambda: self._tokens.take(request.page_token, bound), ())
        problems.settle()
        before = place[0] if place and isinstance(place[0], int) else None
        found = map(branding_to, self._brandings.store.page(before, size + 1))
        revisions, more = cut(found, size, self._page_bytes)
        token = self._tokens.give((revisions[-1].revision,), bound) if more else ""
        return pb.ListBrandingRevisionsResponse(revisions=revisions, next_page_token=token)

    async def RollbackBranding(
        self, request: pb.RollbackBrandingRequest, context: Context
    ) -> pb.RollbackBrandingResponse:
        """See the proto."""
        required(revision=request.revision)
        branding = await self._brandings.roll_back(request.revision, request.etag, validate_only=request.validate_only)
        return pb.RollbackBrandingResponse(branding=branding_to(branding))


def branding_to(branding: Branding) -> pb.Branding:
    """A branding as its message, with the colours of text that read best."""
    message = pb.Branding(
        **{name: getattr(branding, name) for name in _SETTABLE},
        etag=branding.etag,
        revision=branding.revision,
        update_time=timestamp_to(branding.update_time),
    )
    if branding.primary_color:
        message.primary_text_color, message.primary_contrast_ratio = text_color(branding.primary_color)
    if branding.secondary_color:
        message.secondary_text_color, message.secondary_contrast_ratio = text_color(branding.secondary_color)
    return message


def _paths(message: pb.Branding, mask: FieldMask) -> tuple[Sequence[str], list[Violation]]:
    """The fields to set, those of the mask or without one the populated ones, and what of the mask cannot be set."""
    if list(mask.paths) == ["*"]:
        return _SETTABLE, []
    if mask.paths:
        unknown = [
            Violation(
                "update_mask", Text(f"{path[:100]!r} cannot be set", f"O campo '{path[:100]}' não pode ser alterado")
            )
            for path in mask.paths
            if path not in _SETTABLE
        ]
        return [path for path in mask.paths if path in _SETTABLE], unknown
    populated = [name for name in _SETTABLE if getattr(message, name)]
    if not populated:
        text = Text("must set at least one field", "Informe ao menos um campo para alterar")
        raise InvalidInput([Violation("branding", text, missing=True)], summary=SUMMARY)
    return populated, []
