"""Frames of `application/vnd.amazon.eventstream`, with both checksums. Facts: AWS' open-source SDKs. Pure."""

import json
import struct
from zlib import crc32


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame; all headers are strings."""
    packed = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value.encode())) + value.encode()
        for name, value in headers.items()
    )
    prelude = struct.pack(">II", 12 + len(packed) + len(payload) + 4, len(packed))
    message = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return message + struct.pack(">I", crc32(message))


def event(name: str, payload: dict) -> bytes:
    """An event; its payload has random padding under `p`, as Bedrock's has."""
    headers = {":event-type": name, ":content-type": "application/json", ":message-type": "event"}
    return frame(headers, json.dumps({**payload, "p": "abcdefgh"}).encode())


def exception(name: str, message: str) -> bytes:
    """An exception inside a stream."""
    headers = {":exception-type": name, ":content-type": "application/json", ":message-type": "exception"}
    return frame(headers, json.dumps({"message": message}).encode())
