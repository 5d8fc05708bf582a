"""Reads the file of an export, and prints its entries as lines of JSON. Written from docs/export.md alone."""
import base64, hashlib, json, subprocess, sys

TABLE = [0] * 256
for n in range(256):
    crc = n
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    TABLE[n] = crc

def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF

def unzstd(body):
    """Python 3.14 has zstd; before that, the package zstandard or the program zstd."""
    try:
        from compression import zstd
        return zstd.decompress(body)
    except ImportError:
        return subprocess.run(["zstd", "-dc"], input=body, capture_output=True, check=True).stdout

def fields(data):
    """Field number -> list of values: numbers, or bytes."""
    found, at = {}, 0
    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                return value
    while at < len(data):
        tag = varint()
        value = varint()
        if tag & 7 == 2:
            at, value = at + value, data[at:at + value]
        found.setdefault(tag >> 3, []).append(value)
    return found

def chunks(file):
    assert file[:8] == b"SKEXPORT", "not an export"
    at, number = 8, 0
    while at < len(file):
        head, length = file[at:at + 16], int.from_bytes(file[at + 4:at + 8], "little")
        body = file[at + 16:at + 16 + length]
        crc = crc32c(number.to_bytes(8, "little") + head[:12] + body)
        assert crc == int.from_bytes(head[12:16], "little"), f"chunk {number} at byte {at} is damaged"
        message = unzstd(body) if head[1] == 1 else body
        assert len(message) == int.from_bytes(head[8:12], "little") and head[2:4] == b"\0\0"
        yield number, at, head[0], fields(message)
        at, number = at + 16 + length, number + 1

text = lambda message, field: message.get(field, [b""])[0].decode()
count = lambda message, field: message.get(field, [0])[0]
file, entries, first, deleted, footer, total = open(sys.argv[1], "rb").read(), [], {}, 0, None, 0
for number, at, kind, message in chunks(file):
    if kind == 2:
        entries, first = [], {}
    elif kind == 3:
        for state in map(fields, message.get(1, [])):
            first[text(state, 1)] = max(first.get(text(state, 1), 1), count(state, 2))
    elif kind == 4:
        for batch in map(fields, message.get(1, [])):
            time, transaction = fields(batch[5][0]), fields(batch[6][0])
            for i, record in enumerate(map(fields, batch[7])):
                labels = [fields(label) for label in record.get(2, [])]
                entries.append({"space": text(batch, 1), "segment": text(batch, 2), "sequence": count(batch, 3) + i,
                    "offset": count(batch, 4) + i, "micros": count(time, 1) * 10**6 + count(time, 2) // 1000,
                    "transaction": text(transaction, 1), "number": count(transaction, 2),
                    "metadata": {text(label, 1): text(label, 2) for label in labels},
                    "base64": base64.b64encode(record.get(1, [b""])[0]).decode()})
    elif kind == 5:
        assert count(message, 2) == len(entries), "entries of a space are missing"
        total += len(entries)
        for entry in entries:
            if entry["sequence"] >= first.get(entry["segment"], 1) and entry["offset"] > count(message, 1):
                print(json.dumps(entry))
    elif kind == 7:
        assert message[5][0] == hashlib.sha256(file[:at]).digest() and count(message, 1) == number, "wrong SHA-256"
        assert count(message, 3) == total, "entries are missing"
        footer = at
assert footer is not None, "the file has no footer"
