/* Characters in and out, for main.c: host_io.c on a computer, semihosting.c on a board under a debugger or emulator. */
#ifndef HN_IO_H
#define HN_IO_H

#include <stdint.h>

/* The next character of the input, -1 at its end. */
int hn_get(void);

/* One more character of the output. */
void hn_put(char c);

/* Everything put so far leaves the program. */
void hn_flush(void);

/* What is put from now on goes to the error output. */
void hn_put_errors(void);

/* Ends the program with this exit code; everything put so far leaves it. */
void hn_exit(int code);

/* A counter of 24 bits that runs with the processor: SysTick on a board, always 0 on a computer. */
uint32_t hn_ticks(void);

#endif
