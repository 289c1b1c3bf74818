/* Shifts and quotients whose result C leaves open; all counts n lie in 0..63. */

/* x / 2^n toward minus infinity, whatever the compiler makes of a negative number shifted right. */
static inline int64_t hn_sar(int64_t x, int64_t n) {
    const int64_t minus_one = -1;
    return (minus_one >> 1) == minus_one || x >= 0 ? x >> n : ~(~x >> n);
}

/* x * 2^n in two's complement of 64 bits. */
static inline int64_t hn_shl(int64_t x, int64_t n) {
    return (int64_t)((uint64_t)x << n);
}

/* x / y toward minus infinity, y > 0. */
static inline int64_t hn_floordiv(int64_t x, int64_t y) {
    return x / y - (x % y < 0);
}

static inline int64_t hn_min(int64_t x, int64_t y) {
    return x < y ? x : y;
}

static inline int64_t hn_max(int64_t x, int64_t y) {
    return x > y ? x : y;
}
