"""Geohashes: values seen from real servers, the standard encoding, covers against brute force."""
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redispy_core.structs import geohash as geo

LON, LAT = st.floats(-180, 180), st.floats(-85.05112878, 85.05112878)


def plain_geohash(lon, lat, letters, lat_max):
    """Halving by halving."""
    box, bits = [[-180.0, 180.0], [-lat_max, lat_max]], 0
    for i in range(5 * letters):
        side, v = box[i % 2], (lon, lat)[i % 2]
        mid = sum(side) / 2
        bits = bits << 1 | (v >= mid)
        side[0 if v >= mid else 1] = mid
    return "".join("0123456789bcdefghjkmnpqrstuvwxyz"[bits >> 5 * i & 31] for i in reversed(range(letters)))


@pytest.mark.parametrize("lon,lat,score,text", [
    (13.361389, 38.115556, 3479099956230698, b"sqc8b49rny0"), (15.087269, 37.502669, 3479447370796909, b"sqdtr74hyu0"),
    (0, 0, 3377699720527872, b"s0000000000"), (180, 0, 10133099161583616, b"80000000000"),
    (180, 85.05112878, 13510798882111488, b"bp05b5048p0"), (-180, -85.05112878, 0, b"00bh0hbj200"),
    (179.99999999, 85.0511287, 4503599627370495, b"zzpgzgpfxz0")])
def test_scores_and_texts_of_a_real_server(lon, lat, score, text):
    assert geo.encode(lon, lat) == score
    assert geo.hash_text(score) == text


def test_decoded_positions_of_a_real_server():
    assert geo.decode(3479099956230698) == (13.361389338970184, 38.1155563954963)
    assert geo.decode(10133099161583616) == (180.0, 1.2673605809254695e-06)
    assert geo.decode(0) == (-179.99999731779099, -85.05112751263943)


@pytest.mark.parametrize("lon,lat,ok", [(180, 85.05112878, True), (-180, -85.05112878, True), (180.0001, 0, False),
                                        (0, 85.05112879, False), (0, -86, False), (math.nan, 0, False),
                                        (0, math.nan, False)])
def test_which_pairs_are_on_the_map(lon, lat, ok):
    assert geo.valid(lon, lat) == ok


@given(LON, LAT)
def test_decode_is_within_a_cell(lon, lat):
    x, y = geo.decode(geo.encode(lon, lat))
    assert abs(x - lon) <= 360 / 2 ** 26 and abs(y - lat) <= 171 / 2 ** 26
    if abs(x) < 180 and abs(y) < 85.05112878:
        assert geo.encode(x, y) == geo.encode(lon, lat)


@given(st.floats(-179.9, 179.9), st.floats(-85, 85))
def test_geohash_text_is_the_standard_one(lon, lat):
    score = geo.encode(lon, lat)
    assert geo.hash_text(score)[:10].decode() == plain_geohash(*geo.decode(score), 10, 90.0)


@given(st.integers(0, 2 ** 64 - 1))
def test_any_number_decodes_to_the_map(score):
    x, y = geo.decode(score)
    assert geo.valid(x, y)
    assert len(geo.hash_text(score)) == 11


def test_distances_of_a_real_server():
    palermo, catania = geo.decode(3479099956230698), geo.decode(3479447370796909)
    d = geo.distance(*palermo, *catania)
    assert geo.print_distance(d) == b"166274.1516"
    assert geo.print_distance(d / 1609.34) == b"103.3182"
    assert geo.print_distance(d / 0.3048) == b"545518.8700"


@pytest.mark.parametrize("v,text", [(0.0, b"0.0000"), (0.00005, b"0.0000"), (0.00025, b"0.0002"), (1.99999, b"2.0000"),
                                    (8502914.4116500001, b"8502914.4116"), (13461554.4425499998, b"13461554.4426"),
                                    (66800000.5, b"66800000.5000")])
def test_printed_distances(v, text):
    assert geo.print_distance(v) == text


@given(LON, LAT, LON, LAT)
def test_distance_is_a_great_circle(lon1, lat1, lon2, lat2):
    def vector(lon, lat):
        lon, lat = math.radians(lon), math.radians(lat)
        return math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)

    a, b = vector(lon1, lat1), vector(lon2, lat2)
    angle = 2 * math.asin(min(1, math.dist(a, b) / 2))
    d = geo.distance(lon1, lat1, lon2, lat2)
    assert d == geo.distance(lon2, lat2, lon1, lat1)
    assert d == pytest.approx(6372797.560856 * angle, rel=1e-6, abs=0.3)


def test_opposite_ends_have_a_distance():
    rnd = random.Random(6)
    for _ in range(2000):
        lon, lat = rnd.uniform(-180, 0), rnd.uniform(-85, 85)
        assert geo.distance(lon, lat, lon + 180, -lat) == pytest.approx(math.pi * 6372797.560856)


# --- areas

def points(seed):
    """Positions all over the map, around its borders and around a few towns, as scores."""
    rnd = random.Random(seed)
    out = [geo.encode(rnd.uniform(-180, 180), rnd.uniform(-85, 85)) for _ in range(1200)]
    for lon, lat in (11, 45), (-179.99, 10), (179.99, -50), (30, 84.9), (0, 0), (100, -84.9):
        for _ in range(150):
            x, y = lon + rnd.gauss(0, 0.3), lat + rnd.gauss(0, 0.3)
            out.append(geo.encode((x + 180) % 360 - 180, max(-85, min(85, y))))
    out += [geo.encode(180, rnd.uniform(-85, 85)) for _ in range(60)]
    out += [geo.encode(rnd.uniform(-180, 180), 85.05112878) for _ in range(60)] + [geo.encode(180, 85.05112878)]
    return sorted(set(out))


POINTS = points(1)
PLACES = [(score, *geo.decode(score)) for score in POINTS]
CENTRES = st.one_of(st.tuples(LON, LAT), st.sampled_from([place[1:] for place in PLACES]),
                    st.sampled_from([(180.0, 0.0), (-180.0, 0.0), (0.0, 85.05112878), (180.0, 85.05112878),
                                      (0.0, 0.0)]))
LENGTHS = st.floats(0, 7.6).map(lambda e: 10 ** e)


def check_cover(centre, **area):
    ranges = geo.cover(*centre, **area)
    assert 1 <= len(ranges) <= 16
    spans = sorted(ranges)
    assert all(low < high for low, high in spans)
    assert all(a[1] <= b[0] for a, b in zip(spans, spans[1:]))       # nothing is found twice
    for score, x, y in PLACES:
        d = geo.contains(*centre, x, y, **area)
        if d is not None:
            assert d == geo.distance(*centre, x, y)
            assert any(low <= score < high for low, high in ranges), (x, y, d)
    return ranges


@settings(deadline=None, max_examples=120)
@given(CENTRES, LENGTHS)
def test_circles_are_covered(centre, radius):
    check_cover(centre, radius=radius)


@settings(deadline=None, max_examples=120)
@given(CENTRES, LENGTHS, LENGTHS)
def test_boxes_are_covered(centre, width, height):
    check_cover(centre, box=(width, height))


@pytest.mark.parametrize("radius", [0.0, 1e-300, 1e300, math.inf])
def test_extreme_lengths(radius):
    check_cover((11.0, 45.0), radius=radius)
    check_cover((11.0, 45.0), box=(radius, radius))


def test_small_areas_read_few_scores():
    rnd = random.Random(4)
    for _ in range(300):
        centre = rnd.uniform(-180, 180), rnd.uniform(-65, 65)
        for radius in 10, 1000, 100000:
            ranges = geo.cover(*centre, radius=radius)
            share = sum(high - low for low, high in ranges) / 2 ** 52
            assert share < 9 * (8 * radius / 4e7 / math.cos(math.radians(centre[1]))) ** 2


def test_order_of_cells():
    """Centre, north, south, east, west, then the corners, neighbours off the box left out."""
    def directions(ranges):
        x, y = geo.decode(sum(ranges[0]) // 2)
        out = []
        for low, high in ranges:
            a, b = geo.decode((low + high) // 2)
            row = "S" if b < y - 1e-6 else "N" if b > y + 1e-6 else ""
            out.append(row + ("W" if a < x - 1e-6 else "E" if a > x + 1e-6 else ""))
        return out

    orders = {tuple(directions(geo.cover(lon / 7, 40, radius=30000))) for lon in range(200)}
    full = ["", "N", "S", "E", "W", "NE", "NW", "SE", "SW"]
    for order in orders:
        assert list(order) == [name for name in full if name in order]
    assert any(len(order) < 9 for order in orders)


@pytest.mark.parametrize("x,y,inside", [(11.0, 45.0, True), (11.1, 45.0, True), (11.13, 45.0, False),
                                        (11.0, 45.09, False), (11.0, 44.96, True)])
def test_boxes_measure_along_the_points_parallel(x, y, inside):
    assert (geo.contains(11.0, 45.0, x, y, box=(20000, 10000)) is not None) == inside
