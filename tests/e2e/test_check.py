"""``vigia check`` as a program, beside a run and without one."""

import json
from typing import Any

from running import SECRET, Site


def findings_of(site: Site, *arguments: str, code: int, password: str = SECRET) -> dict[str, list[dict[str, Any]]]:
    """By area."""
    ended, out, err = site.run("check", "--json", *arguments, timeout_s=90.0, FINDFACE_PASSWORD=password)
    assert ended == code, out + err
    assert SECRET not in out + err
    assert err == ""
    by_area: dict[str, list[dict[str, Any]]] = {}
    for finding in json.loads(out)["findings"]:
        by_area.setdefault(finding["area"], []).append(finding)
    return by_area


def ids(findings: list[dict[str, Any]]) -> list[str]:
    return [finding["id"] for finding in findings]


def test_a_site_that_works_and_the_same_beside_its_run(site: Site) -> None:
    told = findings_of(site, "--no-capacity", code=0)
    assert list(told) == [
        "configuration", "disk", "outbox", "machine", "clock", "model", "decoder", "web", "findface", "cameras",
    ]  # fmt: skip
    assert ids(told["cameras"]) == ["cameras.works", "cameras.works"]
    assert ids(told["findface"]) == ["findface.works", "findface.detectors"]
    assert ids(told["outbox"]) == ["outbox.new"]
    assert "clock.agrees" in ids(told["clock"])
    assert not site.outbox.exists(), "it changes nothing"

    program = site.start("run")
    program.wait_committed()
    areas = [word for area in ("machine", "outbox", "cameras", "capacity") for word in ("--only", area)]
    told = findings_of(site, *areas, code=0)
    assert ids(told["machine"])[0] == "machine.running"
    assert ids(told["outbox"])[0] == "outbox.ready"
    assert ids(told["cameras"]) == ["cameras.watched", "cameras.watched"]
    assert ids(told["capacity"]) == ["capacity.skipped"]


def test_a_wrong_password_is_told_once_with_what_to_do(site: Site) -> None:
    told = findings_of(site, "--only", "findface", "--only", "cameras", code=1, password="another-s3cret")
    assert ids(told["findface"]) == ["findface.refused"]
    assert "FINDFACE_PASSWORD" in told["findface"][0]["remedy"]
    assert ids(told["cameras"]) == ["cameras.works", "cameras.works"], "they are known from the configuration"
