"""The calls of BrandingService: the look of the product."""

from collections.abc import Iterator, Sequence
from typing import TypedDict, Unpack

from google.protobuf.field_mask_pb2 import FieldMask

from wuzapi_manager.v1.branding_pb2 import (
    Branding,
    GetBrandingRequest,
    ListBrandingRevisionsRequest,
    ResetBrandingRequest,
    RollbackBrandingRequest,
    UpdateBrandingRequest,
)
from wuzapi_manager_client.calls import Calls, texts


class BrandingFields(TypedDict, total=False):
    """The fields of the branding as keyword arguments."""

    app_name: str
    logo_url: str
    primary_color: str
    secondary_color: str
    logo_dark_url: str
    favicon_url: str
    og_image_url: str
    support_phone: str
    support_url: str
    terms_url: str
    privacy_url: str
    custom_home_html: str


class BrandingCalls(Calls):
    """Reads the branding (anyone) and changes it (the administrator)."""

    def get_branding(self, *, timeout: float | None = None) -> Branding:
        """The current branding; the defaults while none was ever set. Asks for no token."""
        return self._call(self._branding.GetBranding, GetBrandingRequest(), timeout).branding

    def update_branding(
        self,
        branding: Branding | None = None,
        *,
        update_mask: Sequence[str] | None = None,
        etag: str = "",
        validate_only: bool = False,
        timeout: float | None = None,
        **fields: Unpack[BrandingFields],
    ) -> Branding:
        """Changes the branding and gives it as it is then.

        Either the fields to set, as keyword arguments: exactly they change, and "" clears. Or a changed message with
        `update_mask`: without a mask its populated fields are set, `["*"]` replaces all. Its etag, or `etag`, must be
        current where there is one (Conflict).
        """
        message = Branding()
        if branding is not None:
            message.CopyFrom(branding)
        if fields:
            update_mask = [*(update_mask or ()), *fields]
            for name, value in fields.items():
                setattr(message, name, value)
        if etag:
            message.etag = etag
        request = UpdateBrandingRequest(
            branding=message,
            update_mask=None if update_mask is None else FieldMask(paths=texts(update_mask)),
            validate_only=validate_only,
        )
        return self._call(self._branding.UpdateBranding, request, timeout).branding

    def reset_branding(self, *, etag: str = "", validate_only: bool = False, timeout: float | None = None) -> Branding:
        """Puts the defaults back, as a new revision."""
        request = ResetBrandingRequest(etag=etag, validate_only=validate_only)
        return self._call(self._branding.ResetBranding, request, timeout).branding

    def list_branding_revisions(self, *, page_size: int = 0, timeout: float | None = None) -> Iterator[Branding]:
        """All revisions, newest first. Pages are asked for as they are needed, `page_size` (0 = 20) revisions each."""
        request = ListBrandingRevisionsRequest(page_size=page_size)
        pages = self._pages(self._branding.ListBrandingRevisions, request, timeout)
        return (item for page in pages for item in page.revisions)

    def rollback_branding(
        self, revision: int, *, etag: str = "", validate_only: bool = False, timeout: float | None = None
    ) -> Branding:
        """Makes an earlier revision current again, as a new revision. NotFound when there is no such revision."""
        request = RollbackBrandingRequest(revision=revision, etag=etag, validate_only=validate_only)
        return self._call(self._branding.RollbackBranding, request, timeout).branding
