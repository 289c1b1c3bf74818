#include <stdio.h>

#include "hn_io.h"

int hn_get(void) {
    const int c = getchar();
    return c == EOF ? -1 : c;
}

void hn_put(char c) {
    putchar(c);
}

void hn_flush(void) {
    fflush(stdout);
}

uint32_t hn_ticks(void) {
    return 0;
}
