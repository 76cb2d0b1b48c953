"""A longer video made of a short one, packet by packet: nothing is coded anew."""

from pathlib import Path

import av


def repeated(clip: Path, path: Path, *, times: int, creation_time: str | None = None) -> Path:
    """``clip`` shown ``times`` times, as one file."""
    with av.open(str(path), "w", options={} if creation_time is None else {"movflags": "use_metadata_tags"}) as out:
        if creation_time is not None:
            out.metadata["creation_time"] = creation_time
        stream = None
        offset = 0
        for _ in range(times):
            with av.open(str(clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = out.add_stream_from_template(video)
                assert video.duration is not None
                for packet in source.demux(video):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts += offset
                    packet.dts += offset
                    packet.stream = stream
                    out.mux(packet)
                offset += video.duration
    return path
