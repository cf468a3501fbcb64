"""The look of the product."""

from dataclasses import dataclass
from datetime import datetime

DEFAULT_APP_NAME = "WUZAPI"
BLACK, WHITE = "#000000", "#FFFFFF"


@dataclass(frozen=True)
class Branding:
    """One revision of the branding; empty texts are unset. `revision` 0 and no time: the defaults, never stored."""

    app_name: str = DEFAULT_APP_NAME
    logo_url: str = ""
    primary_color: str = ""
    secondary_color: str = ""
    logo_dark_url: str = ""
    favicon_url: str = ""
    og_image_url: str = ""
    support_phone: str = ""
    support_url: str = ""
    terms_url: str = ""
    privacy_url: str = ""
    custom_home_html: str = ""
    revision: int = 0
    update_time: datetime | None = None

    @property
    def etag(self) -> str:
        """The text of the revision."""
        return str(self.revision)


def contrast_ratio(one: str, other: str) -> float:
    """The contrast of two colours #RRGGBB, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def text_color(background: str) -> tuple[str, float]:
    """Black or white, whichever has more contrast on `background`, and that contrast."""
    return max(((color, contrast_ratio(color, background)) for color in (BLACK, WHITE)), key=lambda pair: pair[1])


def _luminance(color: str) -> float:
    """WCAG 2.2, "relative luminance"."""
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4  # noqa: PLR2004 - sRGB's constants
        for part in (int(color[at : at + 2], 16) / 255 for at in (1, 3, 5))
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
