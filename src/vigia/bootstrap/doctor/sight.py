"""What sees: the model, tried on a picture, and the decoder, tried on clips that are made here."""

from collections.abc import Iterator

import numpy as np

from vigia.application.diagnosis import Finding
from vigia.application.errors import ModelUnavailable
from vigia.bootstrap.doctor import kinds_machine as kinds
from vigia.bootstrap.doctor.patient import Patient
from vigia.bootstrap.parts import detector_factory
from vigia.infrastructure.video.picture import picture_from_rgb
from vigia.infrastructure.video.self_test import CODECS, PROTOCOLS, decode_fault, is_protocol_there

FRAME_WH = (1920, 1080)
LOOKS = 3
"""The quickest counts: the first one also makes room."""
SLOW_MS = 150.0
"""A shard that looks for so long at a time manages three cameras of 15 fps at k = 8."""


def look_at_model(patient: Patient) -> list[Finding]:
    """Whether the weights are there, are the right ones, load, and how long a look takes."""
    settings, clock = patient.settings, patient.clock
    try:
        detector = detector_factory(settings)()
    except ModelUnavailable as error:
        return [kinds.MODEL_MISSING.of(why=error)]
    width, height = FRAME_WH
    chosen = settings.detector
    input_width = chosen.input_width or detector.input_width_for(frame_width=width, min_face_px=chosen.min_face_px)
    grey = np.full((height, width, 3), 128, np.uint8)
    picture = picture_from_rgb(grey)
    times_s = []
    for _ in range(LOOKS):
        began_s = clock.mono_s()
        detector.detect(picture, input_width=input_width)
        times_s.append(clock.mono_s() - began_s)
    return [judge_look(detector.name, ms=1000.0 * min(times_s), width=input_width)]


def judge_look(model: str, *, ms: float, width: int) -> Finding:
    """Whether a look is quick enough."""
    return (kinds.MODEL_SLOW if ms > SLOW_MS else kinds.MODEL_READY).of(model=model, ms=ms, width=width)


def look_at_decoder(patient: Patient) -> list[Finding]:
    """Whether FFmpeg decodes what cameras send, and opens their addresses."""
    del patient
    return [*_codecs(), *_protocols()]


def _codecs() -> Iterator[Finding]:
    faults = {codec: decode_fault(codec) for codec in CODECS}
    for codec, fault in faults.items():
        if fault:
            yield kinds.DECODER_MISSING.of(codec=codec, why=fault)
    good = [codec for codec, fault in faults.items() if not fault]
    if good:
        yield kinds.DECODER_READY.of(codecs=", ".join(good))


def _protocols() -> Iterator[Finding]:
    there = {protocol: is_protocol_there(protocol) for protocol in PROTOCOLS}
    for protocol, works in there.items():
        if not works:
            yield kinds.DECODER_NO_PROTOCOL.of(protocol=f"{protocol}://")
    good = [f"{protocol}://" for protocol, works in there.items() if works]
    if good:
        yield kinds.DECODER_NETWORK.of(protocols=", ".join(good))
