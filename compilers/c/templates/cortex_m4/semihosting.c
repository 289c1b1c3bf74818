/* Characters in and out by Arm semihosting: standard input and output of the emulator or debugger. */
#include <stdint.h>

#include "../hn_io.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_READ = 0x06, SYS_EXIT = 0x18, SYS_EXIT_EXTENDED = 0x20 };
enum { MODE_READ = 0, MODE_WRITE = 4, MODE_APPEND = 8 };
enum { STOPPED_RUN_TIME_ERROR = 0x20023, STOPPED_APPLICATION_EXIT = 0x20026 };
enum { SIZE = 1024 };

static int32_t call(int32_t operation, const void *argument) {
    register int32_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* ":tt" is the console: its input, its output or its error output, by mode. */
static int32_t console(int32_t mode) {
    static const char name[] = ":tt";
    const uint32_t block[3] = {(uint32_t)name, (uint32_t)mode, sizeof name - 1};
    return call(SYS_OPEN, block);
}

static char received[SIZE], waiting[SIZE];
static uint32_t taken, there, held;
static int32_t output = -1, output_mode = MODE_WRITE;

int hn_get(void) {
    static int32_t handle = -1;
    if (handle < 0) {
        handle = console(MODE_READ);
    }
    if (taken == there) {
        const uint32_t block[3] = {(uint32_t)handle, (uint32_t)received, SIZE};
        const int32_t missing = call(SYS_READ, block);
        taken = 0;
        there = missing < 0 || missing >= SIZE ? 0 : (uint32_t)(SIZE - missing);
        if (there == 0) {
            return -1;
        }
    }
    return (unsigned char)received[taken++];
}

void hn_flush(void) {
    if (output < 0) {
        output = console(output_mode);
    }
    if (held > 0) {
        const uint32_t block[3] = {(uint32_t)output, (uint32_t)waiting, held};
        (void)call(SYS_WRITE, block);
        held = 0;
    }
}

void hn_put_errors(void) {
    hn_flush();
    output = -1;
    output_mode = MODE_APPEND;
}

void hn_put(char c) {
    if (held == SIZE) {
        hn_flush();
    }
    waiting[held++] = c;
}

/* SysTick counts down from its reload value at the processor's clock; it is started by the first call. */
uint32_t hn_ticks(void) {
    volatile uint32_t *const systick = (volatile uint32_t *)0xe000e010u;
    if (systick[0] == 0) {
        systick[1] = 0xffffffu;
        systick[2] = 0;
        systick[0] = 5;
    }
    return 0xffffffu - (systick[2] & 0xffffffu);
}

void hn_exit(int code) {
    const uint32_t block[2] = {STOPPED_APPLICATION_EXIT, (uint32_t)code};
    hn_flush();
    if (code != 0) {
        /* comes back where a debugger does not know it */
        (void)call(SYS_EXIT_EXTENDED, block);
    }
    (void)call(SYS_EXIT, (const void *)(code == 0 ? STOPPED_APPLICATION_EXIT : STOPPED_RUN_TIME_ERROR));
    for (;;) {
    }
}
