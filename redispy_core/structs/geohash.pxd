# Geohashes of 52 bits as scores, distances, and the score ranges that cover an area. Nothing allocates; all O(1).
from libc.stdint cimport uint64_t

cdef enum:
    GEO_STEPS = 26                 # bits a coordinate: 52 in a score
    GEO_MAX_RANGES = 16            # nine cells, and what lies on the map's upper borders
    GEO_HASH_CHARS = 11

cdef enum GeoKind:
    GEO_CIRCLE
    GEO_BOX

cdef struct GeoShape:              # an area around a centre; lengths in metres
    GeoKind kind
    double lon
    double lat
    double radius                  # GEO_CIRCLE
    double width                   # GEO_BOX
    double height

cdef struct GeoRange:              # scores min <= score < max
    uint64_t min
    uint64_t max

cdef bint geo_valid(double lon, double lat) noexcept nogil                      # within +-180, +-85.05112878; not nan
cdef uint64_t geo_encode(double lon, double lat) noexcept nogil                 # of a valid pair: the score
cdef void geo_decode(uint64_t score, double* lon, double* lat) noexcept nogil   # centre of the cell
cdef double geo_distance(double lon1, double lat1, double lon2, double lat2) noexcept nogil     # metres, haversine
cdef void geo_hash_text(uint64_t score, char* out11) noexcept nogil             # standard geohash (-90..90), no NUL
cdef int geo_print_distance(char* buf, double v) noexcept nogil       # 4 decimals and a NUL; the length
# The scores that cover the shape: out[GEO_MAX_RANGES], without overlap, in the order in which Redis visits cells; their
# number is the result.
cdef int geo_cover(const GeoShape* shape, GeoRange* out) noexcept nogil
# Is the point inside (borders included)? distance = from the centre, in metres, if so.
cdef bint geo_contains(const GeoShape* shape, double lon, double lat, double* distance) noexcept nogil
