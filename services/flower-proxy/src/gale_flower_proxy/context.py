"""What a request may use: made once, when the application was."""

from dataclasses import dataclass
from typing import Final, cast

import httpx
from flask import current_app

from gale.access.people import Doorkeeper
from gale_flower_proxy.basic import BasicLogins
from gale_flower_proxy.child import FlowerChild

EXTENSION: Final = "gale_flower"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What was made once."""

    doorkeeper: Doorkeeper
    basic: BasicLogins
    flower: FlowerChild
    client: httpx.Client
    #: With a slash in front and none at the end, or empty.
    prefix: str
    #: True if users reach us over TLS, so that cookies may insist on it.
    secure: bool


def services() -> Services:
    """Return the services of the application that handles the request."""
    return cast("Services", current_app.extensions[EXTENSION])
