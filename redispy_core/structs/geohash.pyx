"""Geohashes (see geohash.pxd).

A position is a cell of a grid of 2^26 x 2^26 over longitude -180..180 and latitude -85.05112878..85.05112878 (the Web
Mercator square). Its number interleaves the bits of both, latitude in the even ones: 52 bits, exact in a double, so a
sorted set keeps positions by score, and every cell of a coarser grid is one range of scores.

An area is searched by the cell of its centre and the eight around it, in a grid in which these nine hold the area's
bounding box; neighbours that lie wholly outside the box are left out. What is found there is then measured. The grid
is the one that Redis chooses, which decides the order of an unsorted reply, unless its cells would miss a part.

Distances are great circles by the haversine formula on a sphere of 6372797.560856 m.
"""
from libc.math cimport M_PI, asin, cos, fabs, sin, sqrt
from libc.stdint cimport uint32_t, uint64_t
from ..base.num cimport NUM_BUF, num_print_u64

cdef extern from *:
    """
    #include <math.h>
    #define GEO_LON_MAX 180.0
    #define GEO_LAT_MAX 85.05112878
    #define GEO_EARTH_RADIUS 6372797.560856
    #define GEO_RADIAN (3.14159265358979323846 / 180.0)     /* radians in a degree */
    #define GEO_MARGIN 1e-7                                  /* degrees: more than any rounding of a border */
    #define GEO_MERCATOR_MAX 20037726.37                     /* half the equator in the projection, metres */
    """
    const double LON_MAX "GEO_LON_MAX"
    const double LAT_MAX "GEO_LAT_MAX"
    const double EARTH_RADIUS "GEO_EARTH_RADIUS"
    const double RADIAN "GEO_RADIAN"
    const double MARGIN "GEO_MARGIN"
    const double MERCATOR_MAX "GEO_MERCATOR_MAX"
    double rint(double x) nogil

cdef struct Cell:                  # of the grid with 2^steps columns and rows
    uint32_t x                     # longitude
    uint32_t y                     # latitude


# --- cells

cdef inline uint64_t spread(uint32_t v) noexcept nogil:
    """The bits of v to the even places."""
    cdef uint64_t x = v
    x = (x | x << 16) & 0x0000FFFF0000FFFFULL
    x = (x | x << 8) & 0x00FF00FF00FF00FFULL
    x = (x | x << 4) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | x << 2) & 0x3333333333333333ULL
    return (x | x << 1) & 0x5555555555555555ULL


cdef inline uint32_t squeeze(uint64_t x) noexcept nogil:
    """The even bits of x side by side."""
    x &= 0x5555555555555555ULL
    x = (x | x >> 1) & 0x3333333333333333ULL
    x = (x | x >> 2) & 0x0F0F0F0F0F0F0F0FULL
    x = (x | x >> 4) & 0x00FF00FF00FF00FFULL
    x = (x | x >> 8) & 0x0000FFFF0000FFFFULL
    return <uint32_t>(x | x >> 16)


cdef inline Cell cell_at(double lon, double lat, double lat_max, int steps) noexcept nogil:
    # compat: the upper border itself is a column or row of its own, one bit beyond the grid.
    cdef Cell c
    cdef double side = <double>(<uint64_t>1 << steps)
    c.x = <uint32_t>((lon + LON_MAX) / (LON_MAX + LON_MAX) * side)
    c.y = <uint32_t>((lat + lat_max) / (lat_max + lat_max) * side)
    return c


cdef inline uint64_t number_of(Cell c) noexcept nogil:
    return spread(c.y) | spread(c.x) << 1


cdef inline double edge_of(uint32_t i, double limit, int steps) noexcept nogil:
    """Lower border of a column or row, in degrees."""
    return -limit + <double>i / <double>(<uint64_t>1 << steps) * (limit + limit)


cdef inline double clamp(double v, double limit) noexcept nogil:
    return limit if v > limit else -limit if v < -limit else v


cdef bint geo_valid(double lon, double lat) noexcept nogil:
    return -LON_MAX <= lon <= LON_MAX and -LAT_MAX <= lat <= LAT_MAX


cdef uint64_t geo_encode(double lon, double lat) noexcept nogil:
    return number_of(cell_at(lon, lat, LAT_MAX, GEO_STEPS))


cdef void geo_decode(uint64_t score, double* lon, double* lat) noexcept nogil:
    cdef uint32_t x = squeeze(score >> 1), y = squeeze(score)
    lon[0] = clamp((edge_of(x, LON_MAX, GEO_STEPS) + edge_of(x + 1, LON_MAX, GEO_STEPS)) / 2, LON_MAX)
    lat[0] = clamp((edge_of(y, LAT_MAX, GEO_STEPS) + edge_of(y + 1, LAT_MAX, GEO_STEPS)) / 2, LAT_MAX)


cdef void geo_hash_text(uint64_t score, char* out11) noexcept nogil:
    cdef const char* letters = b"0123456789bcdefghjkmnpqrstuvwxyz"
    cdef double lon, lat
    cdef uint64_t bits
    cdef int i
    geo_decode(score, &lon, &lat)
    bits = number_of(cell_at(lon, lat, 90.0, GEO_STEPS))
    for i in range(GEO_HASH_CHARS - 1):
        out11[i] = letters[(bits >> (47 - 5 * i)) & 31]
    out11[GEO_HASH_CHARS - 1] = c'0'           # compat: 52 bits fill ten letters; the two left over are not shown


# --- distances

cdef inline double radians(double degrees) noexcept nogil:
    return degrees * RADIAN


cdef inline double lat_distance(double lat1, double lat2) noexcept nogil:
    return EARTH_RADIUS * fabs(radians(lat2) - radians(lat1))


cdef double geo_distance(double lon1, double lat1, double lon2, double lat2) noexcept nogil:
    cdef double v = sin((radians(lon2) - radians(lon1)) / 2), u, a
    if v == 0:
        return lat_distance(lat1, lat2)
    u = sin((radians(lat2) - radians(lat1)) / 2)
    a = u * u + cos(radians(lat1)) * cos(radians(lat2)) * v * v
    return 2.0 * EARTH_RADIUS * asin(sqrt(a if a < 1 else 1.0))        # opposite ends of the Earth: rounding, no nan


cdef int geo_print_distance(char* buf, double v) noexcept nogil:
    # compat: rounded to nearest, ties to even, AFTER the multiplication, which makes ties of near-ties.
    cdef uint64_t parts = <uint64_t>rint(v * 10000.0)
    cdef int n = num_print_u64(buf, parts // 10000), i
    cdef uint32_t rest = <uint32_t>(parts % 10000)
    buf[n] = c'.'
    for i in range(4, 0, -1):
        buf[n + i] = <char>(c'0' + rest % 10)
        rest //= 10
    buf[n + 5] = 0
    return n + 5


cdef bint geo_contains(const GeoShape* shape, double lon, double lat, double* distance) noexcept nogil:
    if shape.kind == GEO_BOX:
        # The width is measured along the point's own parallel.
        if lat_distance(shape.lat, lat) > shape.height / 2:
            return False
        if geo_distance(lon, lat, shape.lon, lat) > shape.width / 2:
            return False
        distance[0] = geo_distance(shape.lon, shape.lat, lon, lat)
        return True
    distance[0] = geo_distance(shape.lon, shape.lat, lon, lat)
    return distance[0] <= shape.radius


# --- covering an area

cdef struct Bounds:                # degrees; may reach beyond the map
    double west
    double south
    double east
    double north


cdef inline Bounds bounds_around(const GeoShape* shape, double side, double up) noexcept nogil:
    cdef Bounds b
    b.west = shape.lon - side
    b.east = shape.lon + side
    b.south = shape.lat - up
    b.north = shape.lat + up
    return b


cdef Bounds rough_bounds(const GeoShape* shape) noexcept nogil:
    """The box by which Redis chooses the grid: lengths along the parallel that is nearer to the pole."""
    cdef double half_width = shape.width / 2, up = shape.height / 2, pole
    if shape.kind == GEO_CIRCLE:
        half_width = shape.radius
        up = shape.radius
    up = up / EARTH_RADIUS / RADIAN
    pole = shape.lat + up if shape.lat >= 0 else shape.lat - up
    return bounds_around(shape, half_width / EARTH_RADIUS / cos(radians(pole)) / RADIAN, up)


cdef Bounds true_bounds(const GeoShape* shape) noexcept nogil:
    """A box that holds the shape, also where it contains a pole or goes round the Earth."""
    cdef double up = (shape.radius if shape.kind == GEO_CIRCLE else shape.height / 2) / EARTH_RADIUS / RADIAN
    cdef double half, side = 360, pole = fabs(shape.lat) + up, s
    if shape.kind == GEO_CIRCLE:
        # The circle's easternmost point: sin(side) = sin(radius) / cos(latitude of the centre).
        half = shape.radius / EARTH_RADIUS
        s = sin(half) / cos(radians(shape.lat)) if pole < 90 else 2
        if s < 1:
            side = asin(s) / RADIAN
    else:
        # A chord of the parallel nearest to the pole (on the map) that is half the width long.
        half = shape.width / 4 / EARTH_RADIUS
        s = sin(half) / cos(radians(pole if pole < LAT_MAX else LAT_MAX)) if half < M_PI / 2 else 2
        if s < 1:
            side = 2 * asin(s) / RADIAN
    return bounds_around(shape, side + MARGIN, up + MARGIN)


cdef int first_steps(const GeoShape* shape) noexcept nogil:
    """The grid to begin with: cells about as large as the area, larger where the projection stretches."""
    cdef double reach = shape.radius
    cdef int steps = 1
    if shape.kind == GEO_BOX:
        reach = sqrt((shape.width / 2) * (shape.width / 2) + (shape.height / 2) * (shape.height / 2))
    if reach == 0:
        return GEO_STEPS
    while reach < MERCATOR_MAX:
        reach *= 2
        steps += 1
    steps -= 2
    if fabs(shape.lat) > 66:
        steps -= 1
    if fabs(shape.lat) > 80:
        steps -= 1
    return 1 if steps < 1 else GEO_STEPS if steps > GEO_STEPS else steps


cdef inline Cell centre_cell(const GeoShape* shape, int steps) noexcept nogil:
    """The centre's cell; a point on the upper border belongs to the last column or row here."""
    cdef Cell c = cell_at(shape.lon, shape.lat, LAT_MAX, steps)
    cdef uint32_t last = (<uint32_t>1 << steps) - 1
    if c.x > last:
        c.x = last
    if c.y > last:
        c.y = last
    return c


cdef inline bint nine_look_enough(const Bounds* b, Cell c, int steps) noexcept nogil:
    # compat: neighbours beyond the map's border are those of the other side, whose borders are never enough.
    cdef uint32_t last = (<uint32_t>1 << steps) - 1
    cdef uint32_t west = (c.x - 1) & last, east = (c.x + 1) & last, south = (c.y - 1) & last, north = (c.y + 1) & last
    return (edge_of(north + 1, LAT_MAX, steps) >= b.north and edge_of(south, LAT_MAX, steps) <= b.south
            and edge_of(east + 1, LON_MAX, steps) >= b.east and edge_of(west, LON_MAX, steps) <= b.west)


cdef inline bint nine_hold(const Bounds* b, Cell c, int steps) noexcept nogil:
    """Do the cell and its neighbours hold the box, columns going round the Earth, rows ending at the map's border?"""
    cdef double tall = 2 * LAT_MAX / <double>(<uint64_t>1 << steps), wide = 2 * LON_MAX / <double>(<uint64_t>1 << steps)
    cdef double south = edge_of(c.y, LAT_MAX, steps), west = edge_of(c.x, LON_MAX, steps)
    return (south - tall <= (b.south if b.south > -LAT_MAX else -LAT_MAX)
            and south + 2 * tall >= (b.north if b.north < LAT_MAX else LAT_MAX)
            and west - wide <= b.west and west + 2 * wide >= b.east)


cdef int add_range(GeoRange* out, int n, uint32_t x, uint32_t y, int steps) noexcept nogil:
    """Append the cell's scores unless they are there already (a coarse grid wraps onto itself)."""
    cdef int shift = 2 * (GEO_STEPS - steps), i
    cdef Cell c
    c.x = x
    c.y = y
    cdef uint64_t number = number_of(c)
    for i in range(n):
        if out[i].min == number << shift:
            return n
    out[n].min = number << shift
    out[n].max = (number + 1) << shift
    return n + 1


cdef int add_borders(GeoRange* out, const Cell* cells, int count, int n, int steps) noexcept nogil:
    """Points on the upper border itself lie in a column (row) of their own, behind the cells of the last one."""
    cdef uint32_t last = (<uint32_t>1 << steps) - 1
    cdef int i
    for i in range(count):
        if cells[i].x == last:
            n = add_range(out, n, last + 1, cells[i].y, steps)
        if cells[i].y == last:
            n = add_range(out, n, cells[i].x, last + 1, steps)
            if cells[i].x == last:
                n = add_range(out, n, last + 1, last + 1, steps)
    return n


cdef int geo_cover(const GeoShape* shape, GeoRange* out) noexcept nogil:
    # Centre, north, south, east, west, north-east, north-west, south-east, south-west.
    cdef int* dx = [0, 0, 0, 1, -1, 1, -1, 1, -1]
    cdef int* dy = [0, 1, -1, 0, 0, 1, 1, -1, -1]
    cdef Bounds b = rough_bounds(shape)
    cdef int steps = first_steps(shape), n = 0, count = 0, i
    cdef Cell c = centre_cell(shape, steps)
    cdef Cell cells[9]
    cdef uint32_t last
    if steps > 1 and not nine_look_enough(&b, c, steps):
        steps -= 1
    b = true_bounds(shape)
    while steps > 1 and not nine_hold(&b, centre_cell(shape, steps), steps):
        steps -= 1
    c = centre_cell(shape, steps)
    last = (<uint32_t>1 << steps) - 1
    for i in range(9):
        if steps >= 2 and ((dy[i] < 0 and edge_of(c.y, LAT_MAX, steps) < b.south)
                           or (dy[i] > 0 and edge_of(c.y + 1, LAT_MAX, steps) > b.north)
                           or (dx[i] < 0 and edge_of(c.x, LON_MAX, steps) < b.west)
                           or (dx[i] > 0 and edge_of(c.x + 1, LON_MAX, steps) > b.east)):
            continue
        cells[count].x = (c.x + dx[i]) & last
        cells[count].y = (c.y + dy[i]) & last
        n = add_range(out, n, cells[count].x, cells[count].y, steps)
        count += 1
    return add_borders(out, cells, count, n, steps)


# --- Python face for tests

def valid(double lon, double lat):
    """Is the pair on the map?"""
    return bool(geo_valid(lon, lat))


def encode(double lon, double lat):
    """Score of a position."""
    return geo_encode(lon, lat)


def decode(uint64_t score):
    """(lon, lat) of the cell's centre."""
    cdef double lon, lat
    geo_decode(score, &lon, &lat)
    return lon, lat


def distance(double lon1, double lat1, double lon2, double lat2):
    """Metres."""
    return geo_distance(lon1, lat1, lon2, lat2)


def hash_text(uint64_t score):
    """Geohash of eleven letters (bytes)."""
    cdef char buf[GEO_HASH_CHARS]
    geo_hash_text(score, buf)
    return buf[:GEO_HASH_CHARS]


def print_distance(double v):
    """Text with four decimals (bytes)."""
    cdef char buf[NUM_BUF]
    cdef int n = geo_print_distance(buf, v)
    assert buf[n] == 0
    return buf[:n]


cdef GeoShape shape_of(double lon, double lat, radius, box):
    cdef GeoShape s
    s.lon = lon
    s.lat = lat
    s.kind = GEO_CIRCLE if box is None else GEO_BOX
    s.radius = radius or 0
    s.width, s.height = box or (0, 0)
    return s


def cover(double lon, double lat, radius=None, box=None):
    """[(min, max)] scores that cover a circle (radius) or box (width, height)."""
    cdef GeoShape s = shape_of(lon, lat, radius, box)
    cdef GeoRange ranges[GEO_MAX_RANGES]
    cdef int n = geo_cover(&s, ranges), i
    return [(ranges[i].min, ranges[i].max) for i in range(n)]


def contains(double lon, double lat, double x, double y, radius=None, box=None):
    """Distance of (x, y) from the centre if it lies in the area, else None."""
    cdef GeoShape s = shape_of(lon, lat, radius, box)
    cdef double d
    return d if geo_contains(&s, x, y, &d) else None
