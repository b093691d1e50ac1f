"""Geo commands against a model (every place is measured), their orders and limits, stored results and errors."""
import random

import pytest
from support.engine import make_engine
from support.resp import Error

from redispy_core.engine import ReplyError
from redispy_core.structs import geohash

METRES = {"m": 1, "km": 1000, "ft": 0.3048, "mi": 1609.34}
PALERMO, CATANIA = (13.361389, 38.115556), (15.087269, 37.502669)


@pytest.fixture(params=[128, 0], ids=["listpack", "skiplist"])
def geo(engine, request):
    """An engine with two places, sorted sets being of one encoding."""
    engine.set("zset_max_listpack_entries", request.param)
    engine.call("GEOADD", "g", *PALERMO, "Palermo", *CATANIA, "Catania")
    return engine


def error(engine, *argv):
    with pytest.raises(ReplyError) as caught:
        engine.call(*argv)
    return str(caught.value)


def scatter(engine, count, seed, lon=(-180, 180), lat=(-85, 85)):
    """{member: (lon, lat)} as the cells have them."""
    chance, places = random.Random(seed), {}
    for i in range(count):
        where = chance.uniform(*lon), chance.uniform(*lat)
        engine.call("GEOADD", "all", *where, i)
        places[b"%d" % i] = geohash.decode(geohash.encode(*where))
    return places


# --- places by name

def test_positions_and_hashes(geo):
    reply = geo.call("GEOPOS", "g", "Palermo", "nobody")
    assert reply[1] is None
    assert [float(v) for v in reply[0]] == [13.361389338970184, 38.1155563954963]
    assert geo.call("GEOHASH", "g", "Palermo", "Catania", "nobody") == [b"sqc8b49rny0", b"sqdtr74hyu0", None]
    assert geo.call("GEOPOS", "none", "a", "b") == geo.call("GEOHASH", "none", "a", "b") == [None, None]


def test_digits_of_a_position():
    for protocol, kind in ((2, b"$20\r\n"), (3, b",")):
        engine = make_engine(protocol)
        engine.call("GEOADD", "g", *PALERMO, "Palermo")
        assert engine.wire("GEOPOS", "g", "Palermo") == (b"*1\r\n*2\r\n" + kind + b"13.36138933897018433\r\n"
                                                         + kind + b"38.11555639549629859\r\n")


@pytest.mark.parametrize("unit,text", [((), b"166274.1516"), (("km",), b"166.2742"), (("MI",), b"103.3182"), (("ft",), b"545518.8700")])
def test_distances(geo, unit, text):
    assert geo.call("GEODIST", "g", "Palermo", "Catania", *unit) == text
    assert geo.call("GEODIST", "g", "Palermo", "Palermo", *unit) == b"0.0000"
    assert geo.call("GEODIST", "g", "Palermo", "nobody", *unit) is None
    assert geo.call("GEODIST", "none", "a", "b", *unit) is None


def test_conditions_of_geoadd(geo):
    assert geo.call("GEOADD", "g", "NX", 0, 0, "Palermo", 1, 1, "new") == 1
    assert geo.call("GEOADD", "g", "XX", "CH", 0, 0, "Palermo", 1, 1, "other") == 1
    assert geo.call("ZCARD", "g") == 3
    assert geo.call("GEOADD", "g", *[v for i in range(40) for v in (i, i, f"m{i}")]) == 40


@pytest.mark.parametrize("argv,text", [
    ((200, 38, "a"), "ERR invalid longitude,latitude pair 200.000000,38.000000"),
    ((1, 1, "a", 1, 86, "b"), "ERR invalid longitude,latitude pair 1.000000,86.000000"),
    (("inf", 1, "a"), "ERR invalid longitude,latitude pair inf,1.000000"), (("nan", 1, "a"), "ERR value is not a valid float"),
    ((1, "x", "a"), "ERR value is not a valid float"), ((1, 2, "a", 3), "ERR syntax error"),
    (("NX", "XX", 1, 2, "a"), "ERR syntax error"), (("GT", 1, 2, "a"), "ERR syntax error")])
def test_bad_arguments_of_geoadd(geo, argv, text):
    assert error(geo, "GEOADD", "g", *argv) == text
    assert geo.call("ZCARD", "g") == 2


def test_scores_that_are_no_places_do_no_harm(geo):
    geo.call("ZADD", "odd", "1e300", "a", -5, "b", 1.5, "c", "inf", "d", "-inf", "e", "1e19", "f")
    for argv in (("GEOPOS", "odd", *"abcdef"), ("GEOHASH", "odd", *"abcdef"), ("GEODIST", "odd", "a", "e"),
                 ("GEOSEARCH", "odd", "FROMMEMBER", "d", "BYRADIUS", 1, "km"),
                 ("GEORADIUS", "odd", 0, 0, "inf", "km", "WITHDIST", "WITHCOORD", "WITHHASH")):
        assert not isinstance(geo.ask(*argv), Error)


# --- searches

def within(places, centre, radius=None, box=None):
    """[(member, distance)] of the places inside, nearest first, by measuring all of them."""
    found = []
    for member, place in places.items():
        far = geohash.contains(*centre, *place, radius=radius, box=box)
        if far is not None:
            found.append((member, far))
    return sorted(found, key=lambda pair: pair[1])


@pytest.mark.parametrize("area", ["world", "town", "date line"])
def test_searches_find_what_measuring_finds(engine, area):
    spread = {"world": ((-180, 180), (-85, 85)), "town": ((2.2, 2.4), (48.8, 48.9)), "date line": ((179, 180), (-20, -10))}[area]
    places = scatter(engine, 400, 5, *spread)
    chance = random.Random(6)
    for _ in range(25):
        centre = chance.uniform(*spread[0]), chance.uniform(*spread[1])
        unit = chance.choice(list(METRES))
        reach = 10 ** chance.uniform(1, 7.2) / METRES[unit]
        near = within(places, centre, radius=reach * METRES[unit])
        asked = ("GEOSEARCH", "all", "FROMLONLAT", *map(repr, centre))
        reply = engine.call(*asked, "BYRADIUS", repr(reach), unit, "ASC", "WITHDIST")
        assert [m for m, _ in reply] == [m for m, _ in near]
        assert all(abs(float(text) - far / METRES[unit]) < 1e-4 for (_, text), (_, far) in zip(reply, near))
        assert engine.call(*asked, "BYRADIUS", repr(reach), unit, "COUNT", 7) == [m for m, _ in near[:7]]
        assert engine.call(*asked, "BYRADIUS", repr(reach), unit, "COUNT", 7, "DESC") == [m for m, _ in near[::-1][:7]]
        some = engine.call(*asked, "BYRADIUS", repr(reach), unit, "COUNT", 3, "ANY")
        assert len(some) == min(3, len(near)) and set(some) <= {m for m, _ in near}
        assert set(engine.call("GEORADIUS", "all", *map(repr, centre), repr(reach), unit)) == {m for m, _ in near}
        boxed = within(places, centre, box=(reach * METRES[unit], 2 * reach * METRES[unit]))
        assert engine.call(*asked, "BYBOX", repr(reach), repr(2 * reach), unit, "ASC") == [m for m, _ in boxed]


def test_a_member_as_centre(geo):
    for argv in (("GEOSEARCH", "g", "FROMMEMBER", "Palermo", "BYRADIUS", 200, "km"), ("GEORADIUSBYMEMBER", "g", "Palermo", 200, "km"),
                 ("GEORADIUSBYMEMBER_RO", "g", "Palermo", 200, "km")):
        assert geo.call(*argv, "ASC", "WITHDIST") == [[b"Palermo", b"0.0000"], [b"Catania", b"166.2742"]]


def test_everything_that_can_be_told_of_a_place(geo):
    reply = geo.call("GEORADIUS", "g", 15, 37, 200, "km", "WITHCOORD", "WITHHASH", "WITHDIST", "ASC", "COUNT", 1)
    member, distance, number, where = reply[0]
    assert (member, distance, number) == (b"Catania", b"56.4413", 3479447370796909)
    assert [float(v) for v in where] == [15.087267458438873, 37.50266842333162]


@pytest.mark.parametrize("search", [("GEORADIUS", "g", 15, 37, 200, "km", "STORE", "to"),
                                    ("GEOSEARCHSTORE", "to", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km"),
                                    ("GEORADIUSBYMEMBER", "g", "Catania", 200, "km", "STORE", "to")])
def test_stored_results_are_places_again(geo, search):
    geo.call("SET", "to", "another type")
    before = geo.core.counters()["dirty"]
    assert geo.call(*search) == 2
    assert geo.core.counters()["dirty"] == before + 2
    assert geo.call("ZRANGE", "to", 0, -1, "WITHSCORES") == geo.call("ZRANGE", "g", 0, -1, "WITHSCORES")


def test_stored_distances(geo):
    geo.call("GEORADIUS", "g", 15, 37, 200, "km", "STOREDIST", "to")
    assert float(geo.call("ZSCORE", "to", "Catania")) == pytest.approx(56.4412578701582, abs=1e-9)
    geo.call("GEOSEARCHSTORE", "to", "g", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km", "STOREDIST", "COUNT", 1)
    assert geo.call("ZRANGE", "to", 0, -1) == [b"Catania"]
    assert geo.call("GEOSEARCHSTORE", "to", "none", "FROMLONLAT", 15, 37, "BYRADIUS", 200, "km") == 0
    assert geo.call("EXISTS", "to") == 0
    geo.call("SET", "to", "x")
    assert geo.call("GEORADIUS", "g", 0, 0, 1, "m", "STORE", "to") == 0 and geo.call("EXISTS", "to") == 0


MEMBER = "ERR could not decode requested zset member"
UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI"


@pytest.mark.parametrize("line,text", [
    ("GEODIST g a b parsec", UNIT), ("GEODIST g a b km x", "ERR syntax error"), ("GEORADIUS g 15 37 1 parsec", UNIT),
    ("GEORADIUS g 15 37 -1 km", "ERR radius cannot be negative"), ("GEORADIUS g 15 37 x km", "ERR need numeric radius"),
    ("GEORADIUS g x 37 1 km", "ERR value is not a valid float"), ("GEORADIUS g 15 37 1 km COUNT 0", "ERR COUNT must be > 0"),
    ("GEORADIUS g 15 37 1 km COUNT x", "ERR value is not an integer or out of range"), ("GEORADIUS g 15 37 1 km COUNT", "ERR syntax error"),
    ("GEORADIUS g 15 37 1 km ANY", "ERR the ANY argument requires COUNT argument"), ("GEORADIUS_RO g 15 37 1 km STORE d", "ERR syntax error"),
    ("GEORADIUS g 15 37 1 km STORE d WITHDIST", "ERR STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and "
     "WITHCOORD options"),
    ("GEORADIUSBYMEMBER g nobody x parsec", MEMBER), ("GEORADIUSBYMEMBER none nobody 1 km FOO", "ERR syntax error"),
    ("GEOSEARCH g FROMMEMBER nobody BYRADIUS 1 km", MEMBER), ("GEOSEARCH g FROMLONLAT 1 1 BYBOX 1 x km", "ERR need numeric height"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYBOX x 1 km", "ERR need numeric width"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYBOX -1 1 parsec", "ERR height or width cannot be negative"),
    ("GEOSEARCH g FROMLONLAT 1 1 BYRADIUS 1 km BYBOX 1 1 km", "ERR syntax error"),
    ("GEOSEARCH g FROMLONLAT 1 1 FROMMEMBER a BYRADIUS 1 km", "ERR syntax error"),
    ("GEOSEARCH g FROMLONLAT 1 1 ASC COUNT 1", "ERR exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
    ("GEOSEARCHSTORE d g BYRADIUS 1 km ASC COUNT 1", "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCHSTORE"),
    ("GEOSEARCHSTORE d g FROMLONLAT 1 1 BYRADIUS 1 km WITHHASH", "ERR GEOSEARCHSTORE is not compatible with WITHDIST, WITHHASH and "
     "WITHCOORD options"),
    ("GEOSEARCH g FROMLONLAT 500 1 BYRADIUS 1 km", "ERR invalid longitude,latitude pair 500.000000,1.000000")])
def test_bad_arguments(geo, line, text):
    assert error(geo, *line.split()) == text


def test_missing_keys_and_other_types(geo):
    assert geo.call("GEOSEARCH", "none", "FROMMEMBER", "nobody", "BYRADIUS", 1, "km") == []
    assert geo.call("GEORADIUSBYMEMBER", "none", "nobody", "x", "km") == []
    assert geo.call("GEORADIUSBYMEMBER", "none", "nobody", 1, "km", "STORE", "d") == 0
    geo.call("SET", "s", "x")
    wrong = Error("WRONGTYPE Operation against a key holding the wrong kind of value")
    for line in ("GEOADD s 1 1 a", "GEODIST s a b", "GEOPOS s a", "GEOHASH s", "GEORADIUS s x y 1 km", "GEORADIUSBYMEMBER s a x km",
                 "GEOSEARCH s FROMLONLAT 500 1 BYRADIUS 1 km", "GEOSEARCHSTORE d s FROMLONLAT 1 1 BYRADIUS 1 km"):
        assert geo.ask(*line.split()) == wrong


def test_an_endless_radius_finds_all(geo):
    assert sorted(geo.call("GEORADIUS", "g", 15, 37, "inf", "km")) == [b"Catania", b"Palermo"]
