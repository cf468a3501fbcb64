"""When a branding is valid, and what is made of it before it is kept."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import nh3

from wuzapi_manager_server.domain.branding import Branding
from wuzapi_manager_server.domain.characters import is_plain
from wuzapi_manager_server.domain.connection_rules import is_web_url
from wuzapi_manager_server.errors import InvalidInput, Text, Violation

MAX_APP_NAME = 50
MAX_HOME_HTML = 100_000

SUMMARY = Text("Invalid branding", "Dados de branding inválidos")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
_PHONE = re.compile(r"[0-9]{10,15}")
_URLS = {
    "logo_url": "URL do logo deve ser uma URL válida",
    "logo_dark_url": "URL do logo escuro deve ser uma URL válida",
    "favicon_url": "URL do favicon deve ser uma URL válida",
    "og_image_url": "URL da imagem de compartilhamento deve ser uma URL válida",
    "support_url": "URL de suporte deve ser uma URL válida",
    "terms_url": "URL dos termos de uso deve ser uma URL válida",
    "privacy_url": "URL da política de privacidade deve ser uma URL válida",
}
_COLORS = {
    "primary_color": "Cor primária deve estar no formato #RRGGBB",
    "secondary_color": "Cor secundária deve estar no formato #RRGGBB",
}
# nh3's default allow-list (no script, style, frame, form or event handler) with what a home page needs, and without
# `cite`, where it takes any scheme.
_TAGS = nh3.ALLOWED_TAGS | {"section", "main", "button"}
_ATTRIBUTES = {
    **{tag: names - {"cite"} for tag, names in nh3.ALLOWED_ATTRIBUTES.items()},
    "*": {"class", "id", "title", "lang", "dir", "role", "aria-label"},
}
_SCHEMES = {"http", "https", "mailto", "tel"}


def sanitized(page: str) -> str:
    """The page without what could run, frame or submit anything; one that is too long as it is.

    A page that nests deeply takes seconds: work for a thread. Other threads go on meanwhile.
    """
    if len(page) > MAX_HOME_HTML:
        return page
    return nh3.clean(page, tags=_TAGS, attributes=_ATTRIBUTES, url_schemes=_SCHEMES)


def kept(branding: Branding, page: str | None = None, also: Sequence[Violation] = ()) -> Branding:
    """The branding as it is kept: colours in upper case, and `page`, which is its own sanitized (None: here).

    InvalidInput lists every violation, after those that were found before.
    """
    if page is None:
        page = sanitized(branding.custom_home_html)
    violations = [*_violations(branding), *_page_violations(branding.custom_home_html, page)]
    if violations or also:
        raise InvalidInput((*also, *(v.below("branding") for v in violations)), summary=SUMMARY)
    return replace(
        branding,
        primary_color=branding.primary_color.upper(),
        secondary_color=branding.secondary_color.upper(),
        custom_home_html=page,
    )


def _violations(branding: Branding) -> Iterator[Violation]:
    name = branding.app_name
    if not name.strip():
        yield Violation("app_name", Text("is required", "Nome da aplicação é obrigatório"), missing=True)
    elif len(name) > MAX_APP_NAME or not is_plain(name):
        yield Violation(
            "app_name",
            Text(
                f"must be 1 to {MAX_APP_NAME} printable characters",
                f"Nome da aplicação deve ter entre 1 e {MAX_APP_NAME} caracteres",
            ),
        )
    for field, complaint in _URLS.items():
        url = getattr(branding, field)
        if url and not is_web_url(url):
            yield Violation(field, Text("must be an http or https URL", complaint))
    for field, complaint in _COLORS.items():
        color = getattr(branding, field)
        if color and not _COLOR.fullmatch(color):
            yield Violation(field, Text("must be a colour as #RRGGBB", complaint))
    if branding.support_phone and not _PHONE.fullmatch(branding.support_phone):
        yield Violation(
            "support_phone", Text("must be 10 to 15 digits", "Telefone de suporte deve ter de 10 a 15 dígitos")
        )


def _page_violations(given: str, clean: str) -> Iterator[Violation]:
    if len(given) > MAX_HOME_HTML:
        yield Violation(
            "custom_home_html",
            Text(
                f"must be at most {MAX_HOME_HTML:,} characters",
                "HTML da página inicial deve ter no máximo 100.000 caracteres",
            ),
        )
    elif len(clean) > MAX_HOME_HTML:
        # Sanitizing writes `&amp;` for `&` and the like: what is kept has to be good enough to be kept again.
        yield Violation(
            "custom_home_html",
            Text(
                f"must be at most {MAX_HOME_HTML:,} characters, also once sanitized (`&` becomes `&amp;`)",
                "HTML da página inicial deve ter no máximo 100.000 caracteres, também depois de sanitizado"
                " (`&` vira `&amp;`)",
            ),
        )
    if "\0" in given:
        yield Violation(
            "custom_home_html",
            Text("must not have U+0000", "HTML da página inicial não pode conter U+0000"),
        )
