"""The frames of guest/agent.h, as the host writes and reads them."""

import struct

MAGIC = 0xFA554DF5
MAX_PAYLOAD = 256 * 1024
HEADER = struct.Struct("=III")

RUN, SIGNAL = ord("R"), ord("S")
READY, OUT, ERR, EXIT, FATAL = map(ord, "BOEXF")


def encode(kind, payload=b""):
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"{len(payload)} bytes of command line and environment are too many")
    return HEADER.pack(MAGIC, kind, len(payload)) + payload


def encode_run(directory, argv, environment):
    strings = [directory, *argv, *(f"{name}={value}" for name, value in environment.items())]
    encoded = b"".join(string.encode(errors="surrogateescape") + b"\0" for string in strings)
    return encode(RUN, struct.pack("=I", len(argv)) + encoded)


class Decoder:
    """Turns bytes into (kind, payload), passing over what is no frame."""

    def __init__(self):
        self.buffer = bytearray()

    def feed(self, data):
        self.buffer += data
        magic = MAGIC.to_bytes(4, "little")
        while True:
            start = self.buffer.find(magic)
            if start < 0:
                del self.buffer[:-3]
                return
            del self.buffer[:start]
            if len(self.buffer) < HEADER.size:
                return
            _, kind, length = HEADER.unpack_from(self.buffer)
            if length > MAX_PAYLOAD:
                del self.buffer[:1]
                continue
            if len(self.buffer) < HEADER.size + length:
                return
            payload = bytes(self.buffer[HEADER.size:HEADER.size + length])
            del self.buffer[:HEADER.size + length]
            yield kind, payload
