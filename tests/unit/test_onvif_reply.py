"""What strangers answer: read where it is an answer, never a reason to fail, and nothing of it can move a cursor."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigia.infrastructure.onvif.reply import TEXT_CHARS_MAX, OnvifDevice, host_of, message_key, printable, read_reply

ASKED = "urn:uuid:0a6dc791-2be6-4991-9af1-454778a1917a"
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
 xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">
<s:Header><a:MessageID>urn:uuid:1</a:MessageID><a:RelatesTo>{relates}</a:RelatesTo>
<a:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a:Action>
<d:AppSequence InstanceId="{instance}" MessageNumber="1"/></s:Header>
<s:Body><d:ProbeMatches><d:ProbeMatch>
<a:EndpointReference><a:Address>urn:uuid:cam-1</a:Address></a:EndpointReference>
<d:Types>{types}</d:Types><d:Scopes>{scopes}</d:Scopes>
<d:XAddrs>http://ana:p4ss@10.0.0.5/onvif http://[fe80::5%25eth0]/onvif</d:XAddrs>
<d:MetadataVersion>1</d:MetadataVersion></d:ProbeMatch></d:ProbeMatches></s:Body></s:Envelope>"""
SCOPES = (
    "onvif://www.onvif.org/name/Main%20Gate onvif://www.onvif.org/hardware/VG-8 "
    "onvif://www.onvif.org/location/country/brazil onvif://www.onvif.org/location/city/recife"
)


def answer(
    *, relates: str = ASKED, types: str = "dn:NetworkVideoTransmitter", scopes: str = SCOPES, instance: str = "1"
) -> bytes:
    return ANSWER.format(relates=relates, types=types, scopes=scopes, instance=instance).encode()


def read(data: bytes) -> list[OnvifDevice] | None:
    return read_reply(data, sender="10.0.0.5", asked={message_key(ASKED)})


def test_a_camera_says_what_it_is_and_passwords_are_not_among_it() -> None:
    assert read(answer()) == [
        OnvifDevice(
            endpoint="urn:uuid:cam-1",
            addresses=("10.0.0.5",),
            xaddrs=("http://***@10.0.0.5/onvif", "http://[fe80::5%25eth0]/onvif"),
            name="Main Gate",
            hardware="VG-8",
            location="country/brazil, city/recife",
        )
    ]


def test_its_hosts_are_what_a_configuration_may_name_it_by() -> None:
    (device,) = read(answer()) or []
    assert device.hosts == {"10.0.0.5", "fe80::5"}


def test_an_id_without_urn_or_in_capitals_is_the_same_id() -> None:
    assert read(answer(relates="uuid:" + ASKED.rpartition(":")[2].upper())) is not None


def test_an_answer_to_another_question_is_none() -> None:
    assert read(answer(relates="urn:uuid:other")) is None


def test_a_printer_is_no_camera() -> None:
    assert read(answer(types="x:PrintDevice", scopes="http://printers/1")) == []


def test_a_camera_that_gives_no_types_is_known_by_its_scopes() -> None:
    assert len(read(answer(types="")) or []) == 1


def test_a_sequence_that_is_no_number_does_not_matter() -> None:
    assert len(read(answer(instance="x")) or []) == 1, "the library's own searching ends for good here"


@pytest.mark.parametrize("name", ["%1B%5B2J%1B%5D0;owned%07", "%E2%80%AEevil", "a%0Ab%00c", "x" * 5000])
def test_hostile_names_are_short_and_printable(name: str) -> None:
    (device,) = read(answer(scopes=f"onvif://www.onvif.org/name/{name}")) or []
    assert device.name.isprintable()
    assert 0 < len(device.name) <= TEXT_CHARS_MAX


def test_document_types_are_refused_unread() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    head, _, rest = answer().partition(b"?>\n")
    assert read(head + b"?>\n" + bomb + rest) is None


def test_nesting_without_end_is_survived() -> None:
    assert read(b"<a>" * 20_000) is None
    assert read(answer(types="<x>" * 5000 + "</x>" * 5000)) in (None, [], read(answer(types="")))


@given(st.binary(max_size=400))
def test_any_bytes_are_survived(data: bytes) -> None:
    assert read(data) is None


@given(st.data())
def test_any_damage_to_an_answer_is_survived(data: st.DataObject) -> None:
    whole = bytearray(answer())
    for _ in range(data.draw(st.integers(1, 12))):
        at = data.draw(st.integers(0, len(whole) - 1))
        match data.draw(st.integers(0, 2)):
            case 0:
                whole[at] = data.draw(st.integers(0, 255))
            case 1:
                del whole[at : at + data.draw(st.integers(1, 40))]
            case _:
                whole[at:at] = data.draw(st.binary(max_size=20))
        if not whole:
            break
    for device in read(bytes(whole)) or []:
        assert all(text.isprintable() for text in (device.name, device.hardware, device.location, device.endpoint))


@given(st.text(max_size=600))
def test_texts_from_outside_become_one_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= TEXT_CHARS_MAX


def test_what_was_heard_twice_is_one_device() -> None:
    first = OnvifDevice("e", ("10.0.0.5",), ("http://a/",), name="", hardware="H")
    second = OnvifDevice("e", ("10.1.0.5",), ("http://a/", "http://b/"), name="N")
    assert first.merged(second) == OnvifDevice(
        "e", ("10.0.0.5", "10.1.0.5"), ("http://a/", "http://b/"), name="N", hardware="H"
    )


@pytest.mark.parametrize(
    ("url", "host"),
    [("http://Cam.Example:80/x", "cam.example"), ("rtsp://u:p@[fe80::1%25eth0]:554/s", "fe80::1"), ("http://[x", ""),
     ("/dev/video0", "")],
)  # fmt: skip
def test_hosts(url: str, host: str) -> None:
    assert host_of(url) == host
