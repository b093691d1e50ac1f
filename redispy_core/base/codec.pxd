# Checksums, hashes and LZF: pure functions over bytes.
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint64_t

cdef uint16_t crc16(const char* s, size_t n) noexcept nogil                             # CRC16-CCITT (XMODEM)
cdef int key_slot(const char* key, size_t n) noexcept nogil                             # cluster slot 0..16383, {hash tag} rule
cdef uint64_t crc64(uint64_t crc, const void* s, size_t n) noexcept nogil               # Jones polynomial as RDB uses it; start with 0
cdef void sha1(const void* s, size_t n, uint8_t* out20) noexcept nogil
cdef void sha1_hex(const void* s, size_t n, char* out40) noexcept nogil                 # lower case, no NUL
cdef void sha256(const void* s, size_t n, uint8_t* out32) noexcept nogil
cdef uint64_t siphash13(const void* s, size_t n, const uint64_t* seed2) noexcept nogil          # SipHash-1-3, 128-bit seed
cdef uint64_t siphash13_nocase(const void* s, size_t n, const uint64_t* seed2) noexcept nogil   # over the ASCII-lowercased text
cdef size_t lzf_compress(const void* src, size_t n, void* dst, size_t cap) noexcept nogil       # 0 = does not fit in cap
cdef size_t lzf_decompress(const void* src, size_t n, void* dst, size_t cap) noexcept nogil     # bytes written; 0 = corrupt or does not fit
