"""Whatever is typed behind a page's address makes a page: the dashboard of a real run, asked for nonsense."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from running import Site
from web_site import log_in

PAGES = ["/", "/captures", "/why", "/delivery", "/system", "/cameras"]
NAMES = ["camera", "state", "quality", "only", "name", "page", "reason", "before", "span", "sort", "tab", "x"]
VALUES = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        ["0", "-1", "1e400", "nan", "dead", "trouble", "skipped", "lost", "cam1", "\0", "²", "9" * 30, "../.."]
    ),
)
LISTS = ["/captures", "/cameras"]
NO_PAGES = ["/captures/none", f"/captures/{'0' * 32}", f"/captures/{'g' * 32}", "/cameras/none", "/nothing", "/a/b/c"]


@pytest.fixture
def insider(site: Site) -> Iterator[httpx.Client]:
    configured: dict[str, Any] = yaml.safe_load((site.root / "config.yaml").read_text(encoding="utf-8"))
    site.configure(**configured, language="en")
    program = site.start("run", "--duration", "120")
    address = program.web_address()
    program.wait_committed()
    password = (site.root / "data" / "first-password.txt").read_text(encoding="utf-8").strip()
    with httpx.Client(base_url=address, timeout=30.0, trust_env=False, headers={"accept": "text/html"}) as client:
        assert log_in(client, "operator", password).status_code == 303
        yield client
    program.process.kill()
    program.process.wait()
    assert "Traceback" not in program.stderr()


def test_whatever_is_asked_for_is_answered_with_a_page(insider: httpx.Client) -> None:
    @settings(max_examples=60, deadline=None, database=None)
    @given(st.sampled_from(PAGES), st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4))
    def nonsense_makes_a_page(path: str, asked: list[tuple[str, str]]) -> None:
        answer = insider.get(path, params=httpx.QueryParams(tuple(asked)))
        assert answer.status_code == 200
        assert "data-testid" in answer.text
        assert "an unexpected error" not in answer.text.lower()

    @settings(max_examples=25, deadline=None, database=None)
    @given(
        st.one_of(st.sampled_from(NO_PAGES), st.builds(below, st.sampled_from(LISTS), st.text(min_size=1, max_size=40)))
    )
    def what_is_not_there_is_said(path: str) -> None:
        answer = insider.get(path)
        assert 400 <= answer.status_code < 500, path
        assert "text/html" in answer.headers["content-type"]
        assert "Traceback" not in answer.text

    nonsense_makes_a_page()
    what_is_not_there_is_said()
    answer = insider.get("/nothing", headers={"accept": "application/json"})
    assert (answer.status_code, answer.json()) == (404, {"error": "not_found"})
    assert insider.get("/captures/none").status_code == 404


def below(path: str, name: str) -> str:
    """An address below another; never the same, nor one above."""
    return f"{path}/{quote('~' + name, safe='')}"
