"""Requests that come in more than one read are answered without anything else happening on the server."""
import pytest
from support.resp import Simple


@pytest.mark.parametrize("pairs", [700, 1500, 9000])
def test_many_arguments_in_one_write(raw, pairs):
    argv = [text for i in range(pairs) for text in (b"field:%d" % i, b"value:%d" % i)]
    assert raw.call("HSET", "h", *argv) == pairs
    assert raw.call("HMSET", "h", *argv) == Simple("OK")
    assert raw.call("HLEN", "h") == pairs
