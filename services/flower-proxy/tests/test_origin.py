"""Where a changing request comes from, told by what browsers add to it."""

import pytest

from gale_flower_proxy.origin import Origin, origin_of

HOST = "gale.example:5555"


@pytest.mark.parametrize(
    ("headers", "origin"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, Origin.HERE),
        ({"Sec-Fetch-Site": "same-site"}, Origin.ELSEWHERE),  # the web page on port 8080, or anything else on this host
        ({"Sec-Fetch-Site": "cross-site"}, Origin.ELSEWHERE),
        ({"Sec-Fetch-Site": "none"}, Origin.ELSEWHERE),
        ({"Sec-Fetch-Site": "cross-site", "Origin": f"http://{HOST}"}, Origin.ELSEWHERE),
        ({"Origin": f"http://{HOST}"}, Origin.HERE),
        ({"Origin": f"HTTPS://{HOST.upper()}"}, Origin.HERE),
        ({"Origin": "http://gale.example:8080"}, Origin.ELSEWHERE),
        ({"Origin": "http://gale.example"}, Origin.ELSEWHERE),
        ({"Origin": f"http://{HOST}.evil.example"}, Origin.ELSEWHERE),
        ({"Origin": f"http://evil.example/{HOST}"}, Origin.ELSEWHERE),
        ({"Origin": f"http://evil@{HOST}"}, Origin.ELSEWHERE),
        ({"Origin": "null"}, Origin.ELSEWHERE),
        ({"Origin": f"ftp://{HOST}"}, Origin.ELSEWHERE),
        ({"Origin": "http://[broken"}, Origin.ELSEWHERE),
        ({"Origin": "null", "Referer": f"http://{HOST}/"}, Origin.ELSEWHERE),
        ({"Referer": f"http://{HOST}/tasks?x=1"}, Origin.HERE),
        ({"Referer": f"http://evil.example/?http://{HOST}"}, Origin.ELSEWHERE),
        ({}, Origin.UNTOLD),
    ],
)
def test_only_this_very_address_counts_as_here(headers: dict[str, str], origin: Origin) -> None:
    assert origin_of(headers, HOST) is origin
