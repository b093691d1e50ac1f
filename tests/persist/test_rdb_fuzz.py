"""Damaged payloads and files for some seconds; REDISPY_FUZZ_SECONDS=600 for longer, rdb_fuzz.py by itself for more."""
import os
import random

import pytest
import rdb_fuzz

SECONDS = float(os.environ.get("REDISPY_FUZZ_SECONDS", "3"))


@pytest.mark.parametrize("seed", [1, random.SystemRandom().randrange(1 << 32)], ids=["fixed", "new"])
def test_damaged_payloads_are_refused_or_harmless(seed):
    counts = rdb_fuzz.run(seed, SECONDS / 2)
    assert counts["restored"] and counts["refused"] and counts["loaded"] < counts["files"]
