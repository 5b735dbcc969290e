"""Who is asking: by the web page's session, by a bearer token, or by name and password."""

from dataclasses import dataclass
from http import HTTPStatus

from flask import Response, request

from gale.access.people import LoginRefused, Person, TooManyLogins, cookie_name
from gale_flower_proxy import login
from gale_flower_proxy.context import services
from gale_flower_proxy.origin import Origin, origin_of
from gale_flower_proxy.pages import page, sentence, texts, wants_page


class Refused(Exception):
    """A request that is answered here; `response` says how."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody who is signed in, and what the browser adds to requests without being asked."""

    person: Person
    #: A cookie, or a password that browsers send again by themselves: other sites can make them do so.
    is_ambient: bool
    is_session: bool = False


def visitor() -> Visitor | None:
    """Return who asks; None for nobody.

    Raises:
        Refused: A password was tried too often.
    """
    used = services()
    address = request.remote_addr or ""
    header = request.headers.get("Authorization", "")
    if header:
        scheme, _, credentials = header.partition(" ")
        if scheme.lower() == "bearer":
            person = used.doorkeeper.by_token(credentials.strip(), address)
            return None if person is None else Visitor(person, is_ambient=False)
        return _by_password(address)
    found = used.doorkeeper.by_cookie(request.cookies.get(cookie_name(secure=used.secure), ""), address)
    return None if found is None else Visitor(found, is_ambient=True, is_session=True)


def _by_password(address: str) -> Visitor | None:
    given = request.authorization
    if given is None or given.type != "basic" or not given.username:
        return None
    try:
        person = services().basic.person(given.username, given.password or "", address)
    except LoginRefused:
        return None
    except TooManyLogins as refused:
        headers = {"Retry-After": str(refused.seconds)}
        raise Refused(sentence(HTTPStatus.TOO_MANY_REQUESTS, str(refused), headers)) from None
    return Visitor(person, is_ambient=True)


def check_meant(asking: Visitor) -> None:
    """Let a changing request through only if its sender meant it.

    Raises:
        Refused: Another site may have sent it.
    """
    if not asking.is_ambient:
        return
    origin = origin_of(dict(request.headers), request.host)
    # Programs with a password tell nothing of an origin; a browser with a session always does.
    if origin is Origin.HERE or (origin is Origin.UNTOLD and not asking.is_session):
        return
    raise Refused(
        sentence(
            HTTPStatus.FORBIDDEN,
            "This request comes from another site or does not say where it comes from, so it was not carried out. "
            "Use Flower's own pages, or send a bearer token (POST /auth/token on the web page's address).",
        )
    )


def sign_in_first() -> Response:
    """Ask who is there: people with a page, programs with a status."""
    if wants_page():
        return login.ask(HTTPStatus.UNAUTHORIZED)
    # A script of Flower's page gets no Basic challenge, or the browser would ask for a password out of the blue.
    is_script = request.headers.get("Sec-Fetch-Mode", "navigate") != "navigate" or "X-Requested-With" in request.headers
    challenge = 'Bearer realm="gale"' if is_script else 'Basic realm="gale", charset="UTF-8", Bearer realm="gale"'
    return sentence(
        HTTPStatus.UNAUTHORIZED,
        "You are not signed in, or no longer. Sign in on the page, or send a name and password (Basic), or a token "
        "of POST /auth/token (Bearer).",
        {"WWW-Authenticate": challenge},
    )


def deny(person: Person) -> Response:
    """Refuse somebody who may not."""
    told = texts()
    said = told["denied"].format(role=person.role)
    if wants_page():
        return page(HTTPStatus.FORBIDDEN, told["denied_title"], said=said, back=login.path_of(""))
    return sentence(HTTPStatus.FORBIDDEN, said)
