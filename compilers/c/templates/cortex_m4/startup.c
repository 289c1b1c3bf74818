/* Start of a Cortex-M: vectors, memory, main, and the end of the program by semihosting. */
#include <stddef.h>
#include <stdint.h>

#include "../hn_io.h"

extern uint32_t hn_stack_top, hn_data_from, hn_data_start, hn_data_end, hn_bss_start, hn_bss_end;
int main(void);
void hn_start(void);

/* gcc may call these for loops and copies; there is no C library here. */
void *memset(void *to, int value, size_t count);
void *memcpy(void *to, const void *from, size_t count);

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memset(void *to, int value, size_t count) {
    unsigned char *p = to;
    while (count-- > 0) {
        *p++ = (unsigned char)value;
    }
    return to;
}

__attribute__((optimize("no-tree-loop-distribute-patterns"))) void *memcpy(void *to, const void *from, size_t count) {
    unsigned char *p = to;
    const unsigned char *q = from;
    while (count-- > 0) {
        *p++ = *q++;
    }
    return to;
}

void hn_start(void) {
    const uint32_t *from = &hn_data_from;
    for (uint32_t *to = &hn_data_start; to < &hn_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &hn_bss_start; to < &hn_bss_end;) {
        *to++ = 0;
    }
    hn_exit(main());
}

static void fault(void) {
    hn_exit(3);
}

struct vectors {
    uint32_t *stack_top;
    void (*handlers[15])(void);
};

__attribute__((section(".vectors"), used)) static const struct vectors vectors = {
    &hn_stack_top,
    {hn_start, fault, fault, fault, fault, fault, 0, 0, 0, 0, fault, fault, 0, fault, fault},
};
