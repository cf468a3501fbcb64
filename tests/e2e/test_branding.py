"""BrandingService as a whole: the look of the product, and its revisions."""

from collections.abc import Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import StatusCode

from tests.contract.calls import refused
from tests.contract.server import World
from tests.e2e.samples import kept, set_fields
from wuzapi_manager.v1 import branding_pb2 as pb

FULL = pb.Branding(
    app_name="Loja São João 🦜",
    logo_url="https://cdn.test/logo.png?v=1#x",
    primary_color="#aB12cD",
    secondary_color="#000000",
    logo_dark_url="http://cdn.test/dark.png",
    favicon_url="https://cdn.test/favicon.ico",
    og_image_url="https://cdn.test/og.png",
    support_phone="5581999999999",
    support_url="https://test/suporte",
    terms_url="https://test/termos",
    privacy_url="https://test/privacidade",
    custom_home_html="<h1>Olá</h1>",
)
OUTPUTS = (
    "primary_text_color",
    "secondary_text_color",
    "primary_contrast_ratio",
    "secondary_contrast_ratio",
    "etag",
    "revision",
    "update_time",
)


@pytest.fixture(autouse=True)
def fresh(world: World) -> Iterator[None]:
    world.admin.branding.ResetBranding(pb.ResetBrandingRequest())
    yield
    world.admin.branding.ResetBranding(pb.ResetBrandingRequest())


def current(world: World) -> pb.Branding:
    """The branding as anyone sees it."""
    return world.public.branding.GetBranding(pb.GetBrandingRequest()).branding


def update(world: World, branding: pb.Branding, *mask: str, validate_only: bool = False) -> pb.Branding:
    """Changes it as the administrator."""
    request = pb.UpdateBrandingRequest(
        branding=branding, update_mask=FieldMask(paths=mask) if mask else None, validate_only=validate_only
    )
    return world.admin.branding.UpdateBranding(request).branding


def given(branding: pb.Branding) -> dict[str, object]:
    """What of a branding was set by somebody."""
    return set_fields(branding, *OUTPUTS)


def revisions(world: World, page_size: int = 0) -> list[pb.Branding]:
    """All revisions of all pages."""
    found: list[pb.Branding] = []
    request = pb.ListBrandingRevisionsRequest(page_size=page_size)
    while True:
        page = world.admin.branding.ListBrandingRevisions(request)
        found += page.revisions
        request.page_token = page.next_page_token
        if not request.page_token:
            return found


def test_the_default_is_the_products_name_alone(world: World) -> None:
    """After a reset there is the name WUZAPI and nothing else, without colours to read text on."""
    assert given(current(world)) == {"app_name": "WUZAPI"}
    assert not current(world).primary_text_color
    assert not current(world).primary_contrast_ratio


def test_what_is_set_comes_back_to_anyone(world: World) -> None:
    """Every field is kept, colours in upper case; anyone reads it without a token, and with a wrong one."""
    answer = update(world, FULL)
    expected = pb.Branding()
    expected.CopyFrom(FULL)
    expected.primary_color = "#AB12CD"
    assert given(answer) == given(expected)
    assert answer.revision > 0
    assert answer.etag
    assert answer.HasField("update_time")
    assert current(world) == answer
    for metadata in ({"token": "no"}, {"authorization": "not the administrator"}, {"token": "unknown-token"}):
        assert world.calling(metadata).branding.GetBranding(pb.GetBrandingRequest()).branding == answer


def test_an_update_merges(world: World) -> None:
    """Without a mask what is not given stays, and a read right after it sees it."""
    update(world, FULL)
    changed = update(world, pb.Branding(primary_color="#112233"))
    assert changed.primary_color == "#112233"
    assert changed.app_name == FULL.app_name
    assert changed.custom_home_html == FULL.custom_home_html
    assert current(world) == changed


def test_a_mask_clears_what_it_names(world: World) -> None:
    """Named and empty is cleared, named and given is set, the rest stays though it is given."""
    update(world, FULL)
    changed = update(world, pb.Branding(app_name="outra", logo_url="https://ignored.test"), "app_name", "primary_color")
    assert changed.app_name == "outra"
    assert not changed.primary_color
    assert not changed.primary_text_color
    assert changed.logo_url == FULL.logo_url


def test_a_star_replaces_everything(world: World) -> None:
    """With `*` what is not given is cleared; the name cannot be."""
    update(world, FULL)
    assert given(update(world, pb.Branding(app_name="só"), "*")) == {"app_name": "só"}
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD") as refusal:
        update(world, pb.Branding(primary_color="#000000"), "*")
    assert set(refusal.violations) == {"branding.app_name"}


def test_every_change_makes_a_revision(world: World) -> None:
    """Revisions go up, the newest first, whole, in pages of any size, and none is lost when more are made meanwhile."""
    made = [update(world, pb.Branding(app_name=f"name {at}")) for at in range(7)]
    assert [one.revision for one in made] == sorted({one.revision for one in made})
    for size in (1, 3, 100):
        assert revisions(world, size)[:7] == made[::-1]
    request = pb.ListBrandingRevisionsRequest(page_size=3)
    first = world.admin.branding.ListBrandingRevisions(request)
    update(world, pb.Branding(app_name="later"))
    request.page_token = first.next_page_token
    second = world.admin.branding.ListBrandingRevisions(request)
    assert [*first.revisions, *second.revisions] == made[::-1][:6]


def test_pages_of_revisions_have_a_default_and_a_bound(world: World) -> None:
    """0 means 20, above 100 means 100."""
    for at in range(101):
        update(world, pb.Branding(app_name=f"name {at}"))
    for size, expected in ((0, 20), (100, 100), (2**31 - 1, 100)):
        page = world.admin.branding.ListBrandingRevisions(pb.ListBrandingRevisionsRequest(page_size=size))
        assert len(page.revisions) == expected
        assert page.next_page_token


def test_rolling_back_makes_a_revision_of_an_earlier_one(world: World) -> None:
    """The earlier values under a new revision; the one rolled back from stays in the list, and can be gone back to."""
    first, second = update(world, FULL), update(world, pb.Branding(app_name="segunda", primary_color="#FFFFFF"))
    rpc = world.admin.branding
    before = kept(world)
    dry = rpc.RollbackBranding(pb.RollbackBrandingRequest(revision=first.revision, validate_only=True)).branding
    assert given(dry) == given(first)
    assert kept(world) == before
    back = rpc.RollbackBranding(pb.RollbackBrandingRequest(revision=first.revision, etag=second.etag)).branding
    assert given(back) == given(first)
    assert back.revision > second.revision
    assert current(world) == back
    assert revisions(world)[:3] == [back, second, first]
    again = rpc.RollbackBranding(pb.RollbackBrandingRequest(revision=second.revision)).branding
    assert given(again) == given(second)
    with refused(StatusCode.NOT_FOUND, "NOT_FOUND") as refusal:
        rpc.RollbackBranding(pb.RollbackBrandingRequest(revision=again.revision + 1))
    assert refusal.metadata["revision"] == str(again.revision + 1)


def test_a_reset_makes_a_revision_of_the_defaults(world: World) -> None:
    """Dry it shows them and changes nothing; else they are current, and what was before can be gone back to."""
    full = update(world, FULL)
    dry = world.admin.branding.ResetBranding(pb.ResetBrandingRequest(validate_only=True)).branding
    assert dry.app_name == "WUZAPI"
    assert current(world) == full
    reset = world.admin.branding.ResetBranding(pb.ResetBrandingRequest(etag=full.etag)).branding
    assert given(reset) == {"app_name": "WUZAPI"}
    assert reset.revision > full.revision
    assert current(world) == reset


def test_every_change_minds_the_etag(world: World) -> None:
    """One that is not current is ABORTED with the current one and changes nothing; a dry run says so too."""
    old = update(world, FULL)
    new = update(world, pb.Branding(app_name="nova"))
    rpc = world.admin.branding
    before = kept(world)
    for dry in (True, False):
        for etag in (old.etag, "x", "e" * 5000, f" {new.etag}"):
            for call in (
                lambda e=etag, d=dry: update(world, pb.Branding(app_name="x", etag=e), validate_only=d),
                lambda e=etag, d=dry: rpc.ResetBranding(pb.ResetBrandingRequest(etag=e, validate_only=d)),
                lambda e=etag, d=dry: rpc.RollbackBranding(
                    pb.RollbackBrandingRequest(revision=old.revision, etag=e, validate_only=d)
                ),
            ):
                with refused(StatusCode.ABORTED, "CONFLICT") as refusal:
                    call()
                assert refusal.metadata["etag"] == new.etag
                assert refusal.help
    assert kept(world) == before
    assert update(world, pb.Branding(app_name="x", etag=new.etag)).app_name == "x"


def test_a_dry_run_shows_what_would_be_and_changes_nothing(world: World) -> None:
    """The answer is judged and cleaned as it would be kept."""
    before = kept(world)
    shown = update(
        world,
        pb.Branding(app_name="só vendo", primary_color="#abcdef", custom_home_html="<b>x</b><script>y</script>"),
        validate_only=True,
    )
    assert (shown.app_name, shown.primary_color, shown.custom_home_html) == ("só vendo", "#ABCDEF", "<b>x</b>")
    assert kept(world) == before


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "n" * 50,
        "🦜" * 50,
        "É" * 50,
        "Ação & Reação",
        "日本語",
        "Дружба «Юг»",
        "متجر",
        "می‌خواهم",
        "क्‍ष",
        "👩‍💻 Dev",
        "A\u00a0B",
        'O\'Neil "x" <b>',
        "Robert'); --",
    ],
)
def test_any_letters_make_a_name(world: World, name: str) -> None:
    """1 to 50 characters of any script, accents and emoji too, kept as they are."""
    assert update(world, pb.Branding(app_name=name)).app_name == name
    assert current(world).app_name == name


@pytest.mark.parametrize(
    ("html", "clean"),
    [
        ("<h1>Olá</h1><p class='x'>a <b>b</b></p>", '<h1>Olá</h1><p class="x">a <b>b</b></p>'),
        ("a<script>alert(1)</script>b", "ab"),
        ("<SCRIPT SRC=//evil.test/x.js></SCRIPT>", ""),
        ("<scr<script>ipt>alert(1)</script>", None),
        ('<p onclick="alert(1)">x</p>', "<p>x</p>"),
        ("<img src=x onerror=alert(1)>", '<img src="x">'),
        ('<a href="javascript:alert(1)">x</a>', None),
        ('<a href=" jAvA\tscript:alert(1)">x</a>', None),
        ('<a href="data:text/html,x">x</a>', None),
        ("<style>body{display:none}</style>x", "x"),
        ('<p style="position:fixed">x</p>', "<p>x</p>"),
        ('<iframe src="https://evil.test"></iframe>x', "x"),
        ("<svg onload=alert(1)><script>x</script></svg>", None),
        ("<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>", None),
        ("<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>", None),
        ('<form action="https://evil.test"><input name=p></form>', ""),
        ('<object data="x"></object><embed src="x">', ""),
        ('<meta http-equiv="refresh" content="0;url=//evil.test"><base href="//evil.test"><link rel=stylesheet>', ""),
        ("<!-- <script>x</script> -->x", "x"),
        ("<p>open <b>tags", "<p>open <b>tags</b></p>"),
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
    ],
)
def test_the_home_page_is_cleaned(world: World, html: str, clean: str | None) -> None:
    """Scripts, handlers, styles, frames, forms and foreign schemes are taken out; what is harmless stays."""
    found = update(world, pb.Branding(custom_home_html=html), "custom_home_html").custom_home_html
    if clean is not None:
        assert found == clean
    for evil in (
        "<script",
        "javascript:",
        "onclick",
        "onerror",
        "onload",
        "style",
        "<iframe",
        "<svg",
        "data:",
        "evil.",
    ):
        assert evil not in found.lower()
    assert current(world).custom_home_html == found
    assert update(world, pb.Branding(custom_home_html=found), "custom_home_html").custom_home_html == found


def test_a_home_page_of_100_000_characters_is_taken(world: World) -> None:
    """Characters count, not bytes."""
    page = "é" * 100_000
    assert update(world, pb.Branding(custom_home_html=page)).custom_home_html == page


@pytest.mark.parametrize(
    ("color", "text", "ratio"),
    [
        ("#FFFFFF", "#000000", 21.0),
        ("#000000", "#FFFFFF", 21.0),
        ("#777777", "#000000", 4.69),
        ("#FF0000", "#000000", 5.25),
        ("#0000FF", "#FFFFFF", 8.59),
        ("#25D366", "#000000", 10.58),
    ],
)
def test_colours_come_with_the_text_that_reads_best(world: World, color: str, text: str, ratio: float) -> None:
    """Black or white, whichever has more contrast, with the contrast of WCAG."""
    found = update(world, pb.Branding(primary_color=color, secondary_color=color.lower()))
    assert found.primary_color == found.secondary_color == color
    assert found.primary_text_color == found.secondary_text_color == text
    assert found.primary_contrast_ratio == found.secondary_contrast_ratio == pytest.approx(ratio, abs=0.01)


def test_outputs_are_not_taken_in(world: World) -> None:
    """Fields of the output are passed over in a request, and cannot be named by a mask."""
    made = update(
        world, pb.Branding(app_name="x", primary_text_color="#123456", primary_contrast_ratio=3, revision=999)
    )
    assert made.revision != 999
    assert not made.primary_text_color
    for path in OUTPUTS:
        with refused(StatusCode.INVALID_ARGUMENT, "VALIDATION_ERROR") as refusal:
            update(world, pb.Branding(app_name="y", revision=3), path)
        assert set(refusal.violations) == {"update_mask"}
    with refused(StatusCode.INVALID_ARGUMENT, "MISSING_REQUIRED_FIELD"):
        update(world, pb.Branding(revision=3))
