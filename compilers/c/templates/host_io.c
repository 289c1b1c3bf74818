#include <stdio.h>
#include <stdlib.h>

#include "hn_io.h"

static int errors;

int hn_get(void) {
    const int c = getchar();
    return c == EOF ? -1 : c;
}

void hn_put(char c) {
    putc(c, errors ? stderr : stdout);
}

void hn_flush(void) {
    fflush(errors ? stderr : stdout);
}

void hn_put_errors(void) {
    hn_flush();
    errors = 1;
}

void hn_exit(int code) {
    hn_flush();
    exit(code);
}

uint32_t hn_ticks(void) {
    return 0;
}
