"""Named bits of one enum must differ: two branches that each took the next free bit merge without a conflict."""
import re

import pytest
from source import ROOT


def clashes(text):
    """[(enum, bit, names)] of bits that stand for two names of one enum."""
    found = []
    for enum in re.finditer(r"^cdef enum (\w*):\n((?:    .*\n|\n)+)", text, re.M):
        bits = {}
        for name, shift in re.findall(r"^    (\w+) = 1 << (\d+)", enum[2], re.M):
            bits.setdefault(int(shift), []).append(name)
        found += [(enum[1], bit, names) for bit, names in bits.items() if len(names) > 1]
    return found


@pytest.mark.parametrize("path", sorted(ROOT.glob("redispy_core/**/*.pxd")), ids=lambda p: p.name)
def test_bits_of_an_enum_differ(path):
    assert clashes(path.read_text()) == []


def test_checker_bites():
    assert clashes("cdef enum E:\n    A = 1 << 3\n    B = 1 << 4\n    C = 1 << 3   # c\n") == [("E", 3, ["A", "C"])]
