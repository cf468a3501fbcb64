"""Property tests judge what is true, not how fast a busy machine shows it."""

from hypothesis import settings

settings.register_profile("unit", deadline=None)
settings.load_profile("unit")
