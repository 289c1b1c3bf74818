/* Characters in and out by the serial line of Arm's MPS2 board (CMSDK UART 0), polled. For another chip write these
 * functions for its own. */
#include <stdint.h>

#include "../hn_io.h"

static volatile uint32_t *const uart = (volatile uint32_t *)0x40004000u;
enum { DATA = 0, STATE = 1, CONTROL = 2, DIVIDER = 4 };
enum { TX_FULL = 1, RX_FULL = 2, TX_ON = 1, RX_ON = 2 };

static void start(void) {
    if (uart[CONTROL] == 0u) {
        uart[DIVIDER] = 217; /* 115200 baud at 25 MHz */
        uart[CONTROL] = TX_ON | RX_ON;
    }
}

int hn_get(void) {
    start();
    while ((uart[STATE] & RX_FULL) == 0u) {
    }
    return (int)(uart[DATA] & 0xffu);
}

void hn_put(char c) {
    start();
    while ((uart[STATE] & TX_FULL) != 0u) {
    }
    uart[DATA] = (unsigned char)c;
}

void hn_flush(void) {
}

void hn_put_errors(void) {
}

void hn_exit(int code) {
    (void)code;
    for (;;) {
    }
}

uint32_t hn_ticks(void) {
    return 0;
}
