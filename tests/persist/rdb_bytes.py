"""RDB bytes made by hand: primitives, packed blobs of all ages, DUMP payloads and files. Independent of the product."""
import struct

POLY = 0x95AC9329AC4BC9B5
FUTURE = 4_102_444_800_123              # ms: a time that no test reaches


def _table():
    table = []
    for i in range(256):
        for _ in range(8):
            i = (i >> 1) ^ (POLY if i & 1 else 0)
        table.append(i)
    return table


TABLE = _table()


def crc64(data):
    crc = 0
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc


# ---------------------------------------------------------------- primitives

def length(n):
    if n < 64:
        return bytes([n])
    if n < 16384:
        return bytes([0x40 | n >> 8, n & 255])
    return b"\x80" + struct.pack(">I", n) if n < 1 << 32 else b"\x81" + struct.pack(">Q", n)


def string(text):
    text = text if isinstance(text, bytes) else str(text).encode()
    return length(len(text)) + text


def lzf_literal(text):
    """A string stored as an LZF block of literals only."""
    block = b"".join(bytes([len(text[i:i + 32]) - 1]) + text[i:i + 32] for i in range(0, len(text), 32))
    return b"\xc3" + length(len(block)) + length(len(text)) + block


def many(items, each=string):
    return length(len(items)) + b"".join(map(each, items))


def i64(v):
    return struct.pack("<q", v)


def f64(v):
    return struct.pack("<d", v)


def text_double(text):
    return bytes([len(text)]) + text.encode()


# ---------------------------------------------------------------- packed blobs

def listpack_entry(v):
    if isinstance(v, int):
        if 0 <= v < 128:
            body = bytes([v])
        elif -4096 <= v < 4096:
            body = bytes([0xC0 | ((v >> 8) & 31), v & 255])
        elif -(1 << 15) <= v < 1 << 15:
            body = b"\xf1" + struct.pack("<h", v)
        elif -(1 << 23) <= v < 1 << 23:
            body = b"\xf2" + struct.pack("<i", v)[:3]
        elif -(1 << 31) <= v < 1 << 31:
            body = b"\xf3" + struct.pack("<i", v)
        else:
            body = b"\xf4" + i64(v)
    elif len(v) < 64:
        body = bytes([0x80 | len(v)]) + v
    elif len(v) < 4096:
        body = bytes([0xE0 | len(v) >> 8, len(v) & 255]) + v
    else:
        body = b"\xf0" + struct.pack("<I", len(v)) + v
    n, back = len(body), b""
    if n < 128:
        back = bytes([n])
    elif n < 16383:
        back = bytes([n >> 7, n & 127 | 128])
    else:
        back = bytes([n >> 14, n >> 7 & 127 | 128, n & 127 | 128])
    return body + back


def listpack(*values, count=None):
    entries = b"".join(map(listpack_entry, values))
    return struct.pack("<IH", len(entries) + 7, len(values) if count is None else count) + entries + b"\xff"


def ziplist_body(v):
    if isinstance(v, int):
        if 0 <= v <= 12:
            return bytes([0xF1 + v])
        if -128 <= v < 128:
            return b"\xfe" + struct.pack("<b", v)
        if -(1 << 15) <= v < 1 << 15:
            return b"\xc0" + struct.pack("<h", v)
        if -(1 << 23) <= v < 1 << 23:
            return b"\xf0" + struct.pack("<i", v)[:3]
        return b"\xd0" + struct.pack("<i", v) if -(1 << 31) <= v < 1 << 31 else b"\xe0" + i64(v)
    if len(v) < 64:
        return bytes([len(v)]) + v
    return (bytes([0x40 | len(v) >> 8, len(v) & 255]) if len(v) < 16384 else b"\x80" + struct.pack(">I", len(v))) + v


def ziplist(*values, count=None, tail=None):
    out, before, last = b"", 0, 10
    for v in values:
        last = 10 + len(out)
        entry = (bytes([before]) if before < 254 else b"\xfe" + struct.pack("<I", before)) + ziplist_body(v)
        before = len(entry)
        out += entry
    return struct.pack("<IIH", len(out) + 11, last if tail is None else tail,
                       len(values) if count is None else count) + out + b"\xff"


def zipmap(pairs, idle=0, count=None):
    def size(n):
        return bytes([n]) if n < 254 else b"\xfe" + struct.pack("<I", n)

    body = b"".join(size(len(f)) + f + size(len(v)) + bytes([idle]) + v + b"\0" * idle for f, v in pairs)
    return bytes([min(len(pairs), 254) if count is None else count]) + body + b"\xff"


def intset(width, *values):
    return struct.pack("<II", width, len(values)) + b"".join(struct.pack("<" + "hiq"[width.bit_length() - 2], v) for v in values)


def stream_id(ms, seq=0):
    return struct.pack(">QQ", ms, seq)


def stream_node(base, entries, fields=(b"f",), flags=2, deleted=0):
    """A node's listpack: entries are (ms, seq, values) with the master entry's fields; the first `deleted` are so."""
    values = [len(entries) - deleted, deleted, len(fields), *fields, 0]
    for i, (ms, seq, texts) in enumerate(entries):
        values += [flags | (i < deleted), ms - base[0], seq - base[1], *texts, len(fields) + 3]
    return listpack(*values)


def stream(base=(1, 0), entries=((1, 0, (b"v",)), (2, 0, (b"w",))), total=None, last=(2, 0), groups=b"\0", **node):
    """The value of type 15."""
    return (b"\x01" + string(stream_id(*base)) + string(stream_node(base, entries, **node))
            + length(len(entries) if total is None else total) + length(last[0]) + length(last[1]) + groups)


# ---------------------------------------------------------------- payloads and files

def dump(kind, value, version=11):
    body = bytes([kind]) + value + struct.pack("<H", version)
    return body + struct.pack("<Q", crc64(body))


def key(name, kind, value, prefix=b""):
    return prefix + bytes([kind]) + string(name) + value


def file(*parts, version=11, magic=None, checksum=True):
    """A file of these parts between magic and end; before version 5 it has no checksum."""
    body = (magic or b"REDIS%04d" % version) + b"".join(parts) + b"\xff"
    if version < 5:
        return body
    return body + struct.pack("<Q", crc64(body) if checksum else 0)
