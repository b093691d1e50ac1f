"""A plain model of key extraction: what COMMAND GETKEYSANDFLAGS answers, from the rows alone.

The specs decide, unless one of them is VARIABLE_FLAGS, unknown, or INCOMPLETE and found, or does not fit the arguments:
then the row's keys_fn does. Specs of NOT_KEY are no keys. Serves tests as the oracle of the compiled extraction, and is
itself compared with real servers in test_table.py.
"""

from redispy_core.exec.table import ACCESS, DELETE, INCOMPLETE, NO_MANDATORY_KEYS, NOT_KEY, OW, RO, RW, UPDATE, \
    VARIABLE_FLAGS, Keys, Row

Found = list[tuple[str, int]]                           # (argument, KeyFlag mask without the two that speak of specs)


def keys_of(r: Row, argv: list[str]) -> Found | None:
    """The keys of a request whose arity fits; None where a server answers "Invalid arguments"."""
    found = keys_by_specs(r, argv)
    if found is None and r.keys_fn:
        found = FUNCTIONS[r.keys_fn](r, argv)
    if r.flags & NO_MANDATORY_KEYS:
        return found or []
    return found or None


def keys_by_specs(r: Row, argv: list[str]) -> Found | None:
    found: Found = []
    for k in r.keys:
        if k.flags & NOT_KEY:
            continue
        if k.flags & VARIABLE_FLAGS or k.begin == "unknown":
            return None
        first = k.at if k.begin == "index" else after_word(k, argv)
        if first is None:
            continue
        if first >= len(argv) or k.flags & INCOMPLETE:
            return None
        if k.find == "range":
            last, step, limit = k.nums
            if last >= 0:
                end = first + last
            elif limit > 1:
                end = first + (len(argv) - first) // limit + last
            else:
                end = len(argv) + last
        else:
            count_at, skip, step = k.nums
            if first + count_at >= len(argv):
                return None
            count = as_int(argv[first + count_at])
            if count is None or count <= 0:
                return None
            first += skip
            end = first + (count - 1) * step
        if end >= len(argv) or end < first:
            return None
        found += [(argv[i], k.flags) for i in range(first, end + 1, step)]
    return found


def after_word(k: Keys, argv: list[str]) -> int | None:
    """The position after a keyword spec's word, looked for towards the end, or towards the start if `at` < 0. The last
    argument is never the word; nor is, backwards, the first."""
    places = range(k.at, len(argv) - 1) if k.at > 0 else range(len(argv) + k.at, 1, -1)
    return next((i + 1 for i in places if argv[i].upper() == k.word), None)


def as_int(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        return None


def set_keys(r: Row, argv: list[str]) -> Found:
    """SET reads the old value only with GET."""
    reads = any(word.upper() == "GET" for word in argv[3:])
    return [(argv[1], RW | ACCESS | UPDATE if reads else OW | UPDATE)]


def bitfield_keys(r: Row, argv: list[str]) -> Found:
    """BITFIELD is a read if all its operations are GET."""
    i, reads = 2, True
    while i < len(argv):
        word, left = argv[i].upper(), len(argv) - i - 1
        if word == "GET" and left >= 2:
            i += 3
        elif word in ("SET", "INCRBY") and left >= 3:
            reads = False
            i += 4
        elif word == "OVERFLOW" and left >= 1:
            i += 2
        else:
            reads = False
            break
    return [(argv[1], RO | ACCESS if reads else RW | ACCESS | UPDATE)]


def sort_keys(r: Row, argv: list[str]) -> Found:
    """SORT's key, and the last STORE's."""
    found, skip, i = [(argv[1], RO | ACCESS)], {"LIMIT": 2, "GET": 1, "BY": 1}, 2
    while i < len(argv):
        word = argv[i].upper()
        if word == "STORE" and i + 1 < len(argv):
            found[1:] = [(argv[i + 1], OW | UPDATE)]    # and the name itself is looked at as an option again
        i += 1 + skip.get(word, 0)
    return found


def sort_ro_keys(r: Row, argv: list[str]) -> Found:
    return [(argv[1], RO | ACCESS)]


def migrate_keys(r: Row, argv: list[str]) -> Found | None:
    """MIGRATE's key at 3, or all after KEYS if that is empty."""
    first, end, i, skip = 3, 4, 6, {"AUTH": 1, "AUTH2": 2}
    while i < len(argv):
        word = argv[i].upper()
        if word == "KEYS":
            if argv[3] != "":
                return None
            first, end = i + 1, len(argv)
            break
        i += 1 + skip.get(word, 0)
    return [(key, RW | ACCESS | DELETE) for key in argv[first:end]]


FUNCTIONS = {"set": set_keys, "bitfield": bitfield_keys, "sort": sort_keys, "sort_ro": sort_ro_keys,
             "migrate": migrate_keys}
