"""The look of the product: colours, and what is kept of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wuzapi_manager_server.domain.branding import BLACK, WHITE, Branding, contrast_ratio, text_color
from wuzapi_manager_server.domain.branding_rules import MAX_HOME_HTML, kept
from wuzapi_manager_server.errors import InvalidInput

TOO_LONG = "HTML da página inicial deve ter no máximo 100.000 caracteres"
COLORS = st.integers(0, 0xFFFFFF).map("#{:06X}".format)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#777777", "#FFFFFF", 4.48),
        ("#767676", "#FFFFFF", 4.54),
        ("#000000", "#FFFFFF", 21.0),
        ("#FFFFFF", "#FFFFFF", 1.0),
        ("#0000FF", "#FFFFFF", 8.59),
        ("#ff0000", "#ffffff", 4.0),
    ],
)
def test_contrast_is_that_of_the_guidelines(one: str, other: str, ratio: float) -> None:
    """The ratios that the W3C and its tools give, in either order."""
    assert round(contrast_ratio(one, other), 2) == ratio
    assert contrast_ratio(one, other) == contrast_ratio(other, one)


@given(COLORS)
def test_text_is_black_or_white_whichever_reads_better(color: str) -> None:
    """The colour of text has the larger contrast, which is never below the 4.5 that the guidelines ask for."""
    text, ratio = text_color(color)
    assert ratio == max(contrast_ratio(BLACK, color), contrast_ratio(WHITE, color))
    assert ratio == contrast_ratio(text, color)
    assert 4.5 < ratio <= 21


def test_the_etag_is_the_revision() -> None:
    """The etag tells the revision."""
    assert Branding().etag == "0"
    assert Branding(revision=3).etag == "3"


def test_what_is_kept() -> None:
    """Colours in upper case, the page sanitized, the rest as given."""
    given_ = Branding(app_name="Café São José", primary_color="#a1b2c3", custom_home_html="<b onclick=x>Oi</b>")
    assert kept(given_) == replace(given_, primary_color="#A1B2C3", custom_home_html="<b>Oi</b>")
    assert kept(Branding()) == Branding()


@pytest.mark.parametrize(
    ("change", "field", "text"),
    [
        ({"app_name": ""}, "app_name", "Nome da aplicação é obrigatório"),
        ({"app_name": " \t"}, "app_name", "Nome da aplicação é obrigatório"),
        ({"app_name": "x" * 51}, "app_name", "Nome da aplicação deve ter entre 1 e 50 caracteres"),
        ({"app_name": "a\nb"}, "app_name", "Nome da aplicação deve ter entre 1 e 50 caracteres"),
        ({"logo_url": "javascript:alert(1)"}, "logo_url", "URL do logo deve ser uma URL válida"),
        ({"primary_color": "red"}, "primary_color", "Cor primária deve estar no formato #RRGGBB"),
        ({"primary_color": "#12345"}, "primary_color", "Cor primária deve estar no formato #RRGGBB"),
        ({"secondary_color": "#1234567"}, "secondary_color", "Cor secundária deve estar no formato #RRGGBB"),
        ({"secondary_color": "#12345\uff16"}, "secondary_color", "Cor secundária deve estar no formato #RRGGBB"),
        ({"secondary_color": "#123456\n"}, "secondary_color", "Cor secundária deve estar no formato #RRGGBB"),
        ({"support_phone": "123456789"}, "support_phone", "Telefone de suporte deve ter de 10 a 15 dígitos"),
        ({"support_phone": "+5511999998888"}, "support_phone", "Telefone de suporte deve ter de 10 a 15 dígitos"),
        (
            {"custom_home_html": "x" * (MAX_HOME_HTML + 1)},
            "custom_home_html",
            TOO_LONG,
        ),
        (
            {"custom_home_html": "&" * 30_000},
            "custom_home_html",
            f"{TOO_LONG}, também depois de sanitizado (`&` vira `&amp;`)",
        ),
        (
            {"custom_home_html": "a\0b"},
            "custom_home_html",
            "HTML da página inicial não pode conter U+0000",
        ),
    ],
)
def test_what_is_not_kept(change: dict[str, str], field: str, text: str) -> None:
    """Each violation by its field, in the words that users know."""
    with pytest.raises(InvalidInput) as error:
        kept(replace(Branding(), **change))  # type: ignore[arg-type]  # fields of text
    assert [(each.field, each.text.pt) for each in error.value.violations] == [(f"branding.{field}", text)]


def test_all_is_told_at_once() -> None:
    """Every bad field is listed, under the summary that users know."""
    with pytest.raises(InvalidInput) as error:
        kept(Branding(app_name="", logo_url="x", primary_color="y", secondary_color="z"))
    assert error.value.text.pt == (
        "Dados de branding inválidos: Nome da aplicação é obrigatório, URL do logo deve ser uma URL válida, "
        "Cor primária deve estar no formato #RRGGBB, Cor secundária deve estar no formato #RRGGBB"
    )
    bad = Branding(**{name: "ftp://a" for name in Branding.__dataclass_fields__ if name.endswith("_url")})  # type: ignore[arg-type]  # fields of text
    with pytest.raises(InvalidInput) as error:
        kept(bad)
    assert len(error.value.violations) == 7


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<script>alert(1)</script>x", "x"),
        ('<a href="javascript:alert(1)">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<img src="data:text/html,x" onerror="x()">', "<img>"),
        ("<iframe src=//evil></iframe>", ""),
        ("<form action=/x><input name=p></form>", ""),
        ('<p style="position:fixed">x</p>', "<p>x</p>"),
        ("<svg><style><img src=x onerror=alert(1)></style></svg>", '<img src="x">'),
        ('<main><section class="a" id="b">x</section></main>', '<main><section class="a" id="b">x</section></main>'),
        ("<blockquote cite='javascript:1'>x</blockquote>", "<blockquote>x</blockquote>"),
        ("<q cite=a>x</q><ins cite=a>x</ins><del cite=a>x</del>", "<q>x</q><ins>x</ins><del>x</del>"),
        ('<a href="ftp://x">x</a>', '<a rel="noopener noreferrer">x</a>'),
        ('<a href="mailto:a@b.c">x</a>', '<a href="mailto:a@b.c" rel="noopener noreferrer">x</a>'),
        ('<button type="submit" formaction="javascript:x">x</button>', "<button>x</button>"),
    ],
)
def test_pages_are_sanitized(html: str, clean: str) -> None:
    """Scripts, handlers, frames, forms, styles and foreign schemes go; what pages are made of stays."""
    assert kept(Branding(custom_home_html=html)).custom_home_html == clean


@given(st.text(st.sampled_from("<>/&\"'= abscriptoneimgy;#x"), max_size=60))
def test_what_was_kept_is_kept_again(html: str) -> None:
    """A page that was kept once stays as it is."""
    once = kept(Branding(custom_home_html=html))
    assert kept(once) == once
