"""How Hypothesis behaves in the tests of the core."""

from hypothesis import settings

# A slow machine is no wrong answer: tests here count evaluations where cost matters.
settings.register_profile("core", deadline=None)
settings.load_profile("core")
