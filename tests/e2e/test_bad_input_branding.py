"""What BrandingService says to bad input: which field, in which words of both languages, and that nothing changes."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.refusals import Bad, call, insist, names
from tests.e2e.samples import kept
from wuzapi_manager.v1 import branding_pb2 as pb

SQL = "'; DROP TABLE branding_config; --"
URLS = {
    "logo_url": "URL do logo deve ser uma URL válida",
    "logo_dark_url": "URL do logo escuro deve ser uma URL válida",
    "favicon_url": "URL do favicon deve ser uma URL válida",
    "og_image_url": "URL da imagem de compartilhamento deve ser uma URL válida",
    "support_url": "URL de suporte deve ser uma URL válida",
    "terms_url": "URL dos termos de uso deve ser uma URL válida",
    "privacy_url": "URL da política de privacidade deve ser uma URL válida",
}
COLORS = {
    "primary_color": "Cor primária deve estar no formato #RRGGBB",
    "secondary_color": "Cor secundária deve estar no formato #RRGGBB",
}
BAD_URLS = [
    *("javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,x", "ftp://x.test/a", "file:///etc/passwd"),
    *(
        "x.test/logo.png",
        "//x.test/a",
        "http://",
        "https:///x",
        "http://x.test:99999",
        "http://x.test:0",
        "http://[::1",
    ),
    *("http://x.test/a b", "http://x.test\\a", "http://x.test/\n", "http://x.test/\0", SQL),
    "http://x.test/" + "x" * 2040,
]
BAD_COLORS = ["red", "#FFF", "FFFFFF", "#GGGGGG", "#FFFFFFF", "#FFFFFF\n", " #FFFFFF", "#FFFFF\0", "#١٢٣٤٥٦", SQL]


def branding(*mask: str, **fields: Any) -> Bad:
    """An update of these fields, whose refusal has no texts yet."""
    request = pb.UpdateBrandingRequest(
        branding=pb.Branding(**fields), update_mask=FieldMask(paths=mask) if mask else None
    )
    return Bad(lambda _: request, "", "", "")


CASES: list[Bad] = [
    *(
        branding(**{field: url})._replace(field=f"branding.{field}", en="must be an http or https URL", pt=text)
        for field, text in URLS.items()
        for url in (BAD_URLS if field == "logo_url" else BAD_URLS[:2])
    ),
    *(
        branding(**{field: color})._replace(field=f"branding.{field}", en="must be a colour as #RRGGBB", pt=text)
        for field, text in COLORS.items()
        for color in BAD_COLORS
    ),
    *(
        branding(support_phone=phone)._replace(
            field="branding.support_phone", en="10 to 15 digits", pt="Telefone de suporte deve ter de 10 a 15 dígitos"
        )
        for phone in ("123456789", "1" * 16, "+5581999999999", "(81) 99999-9999", "١٢٣٤٥٦٧٨٩٠", "12345678901\n", SQL)
    ),
    *(
        branding("app_name", app_name=name)._replace(
            field="branding.app_name", en="is required", pt="Nome da aplicação é obrigatório"
        )
        for name in ("", " ", "\t\n")
    ),
    *(
        branding(app_name=name)._replace(
            field="branding.app_name", en="1 to 50", pt="Nome da aplicação deve ter entre 1 e 50 caracteres"
        )
        for name in ("n" * 51, "🦜" * 51, "é" * 51, "a\nb", "a\0b", "x" * 100_000, "\u202eabc")
    ),
    branding(custom_home_html="x" * 100_001)._replace(
        field="branding.custom_home_html", en="at most 100,000", pt="no máximo 100.000 caracteres"
    ),
    branding(custom_home_html="&" * 30_000)._replace(
        field="branding.custom_home_html", en="also once sanitized", pt="também depois de sanitizado"
    ),
    branding(custom_home_html="<p>\0</p>")._replace(
        field="branding.custom_home_html", en="must not have U+0000", pt="não pode conter U+0000"
    ),
    *(
        branding(path, app_name="x")._replace(field="update_mask", en="cannot be set", pt="não pode ser alterado")
        for path in (
            "nothing",
            "revision",
            "etag",
            "update_time",
            "",
            "app_name.x",
            "branding.app_name",
            SQL,
            "x" * 9999,
        )
    ),
    branding("app_name", "*", app_name="x")._replace(field="update_mask", en="'*' cannot be set", pt="'*' não pode"),
    branding()._replace(field="branding", en="at least one field", pt="Informe ao menos um campo"),
    Bad(lambda _: pb.UpdateBrandingRequest(), "branding", "at least one field", "Informe ao menos um campo"),
    Bad(lambda _: pb.RollbackBrandingRequest(), "revision", "is required", "revision é obrigatório"),
    *(
        Bad(
            lambda _, revision=revision: pb.RollbackBrandingRequest(revision=revision),  # type: ignore[misc]  # mypy cannot tell a lambda's default
            "",
            f"There is no branding revision {revision}",
            f"Revisão de branding {revision} não encontrada",
            StatusCode.NOT_FOUND,
        )
        for revision in (2**62, 2**63 - 1, -1, -(2**63))
    ),
    Bad(lambda _: pb.ListBrandingRevisionsRequest(page_size=-1), "page_size", "negative", "não pode ser negativo"),
    *(
        Bad(
            lambda _, token=token: pb.ListBrandingRevisionsRequest(page_token=token),  # type: ignore[misc]  # mypy cannot tell a lambda's default
            "page_token",
            "start without one",
            "Token de paginação inválido",
        )
        for token in ("x", SQL, "\0", "é", "A" * 100_000)
    ),
]


@pytest.mark.parametrize("bad", CASES, ids=names(CASES))
def test_bad_input_is_refused(world: World, bad: Bad) -> None:
    """Each bad field is named, in English and in Portuguese, dry or not, and nothing changes."""
    before = kept(world)
    insist(world.admin, bad, 0)
    request = bad.request(0)
    if isinstance(request, pb.UpdateBrandingRequest):
        request.validate_only = True
        insist(world.admin, bad._replace(request=lambda _: request), 0)
    assert kept(world) == before


def test_every_bad_field_is_told_at_once(world: World) -> None:
    """All bad fields are in one answer, in the words that the product's users know."""
    fields = {**dict.fromkeys(URLS, "javascript:x"), **dict.fromkeys(COLORS, "red"), "support_phone": "1"}
    message = pb.Branding()
    for name, value in fields.items():
        setattr(message, name, value)
    message.custom_home_html = "x" * 100_001
    request = pb.UpdateBrandingRequest(branding=message, update_mask=FieldMask(paths=["*"]))
    with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
        call(world.admin.with_metadata(accept_language="pt-BR, en;q=0.9"), request)
    assert set(refusal.violations) == {f"branding.{name}" for name in (*fields, "app_name", "custom_home_html")}
    assert refusal.localized.startswith(
        "Dados de branding inválidos: Nome da aplicação é obrigatório, URL do logo deve"
    )
    told = refusal.localized_violations
    assert {name: told[f"branding.{name}"] for name in {**URLS, **COLORS}} == {**URLS, **COLORS}


def test_the_texts_of_the_product_come_by_default(world: World) -> None:
    """A caller who names no language that is spoken hears the product's own Portuguese."""
    request = pb.UpdateBrandingRequest(
        branding=pb.Branding(logo_url="x", primary_color="x"),
        update_mask=FieldMask(paths=["logo_url", "primary_color"]),
    )
    with refused(StatusCode.INVALID_ARGUMENT) as refusal:
        call(world.admin.with_metadata(accept_language="de"), request)
    assert refusal.locale == "pt-BR"
    assert refusal.localized == f"Dados de branding inválidos: {URLS['logo_url']}, {COLORS['primary_color']}"


def test_page_tokens_are_good_for_their_own_list_alone(world: World) -> None:
    """A token with a changed byte or of another RPC is refused."""
    for name in ("one", "two"):
        call(world.admin, pb.UpdateBrandingRequest(branding=pb.Branding(app_name=name)))
    page = world.admin.branding.ListBrandingRevisions(pb.ListBrandingRevisionsRequest(page_size=1))
    token = page.next_page_token
    requests: list[Message] = [
        pb.ListBrandingRevisionsRequest(page_token=token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :])
        for at in range(0, len(token) - 3, 5)
    ]
    for request in requests:
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR"):
            call(world.admin, request)
    assert call(world.admin, pb.ListBrandingRevisionsRequest(page_token=token))
