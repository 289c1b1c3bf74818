/* Requests and answers over a link of bytes, such as a serial line.
 *
 * A frame is COBS coded (no byte of it is 0) and ends with a 0; numbers are little-endian.
 *
 *     request   type (1 byte), sequence (2), body, CRC-32 of all before it (4)
 *     answer    type + 0x80 (1), sequence (2), status (1), session (4), body, CRC-32 (4)
 *
 * One request at a time: the next one has the next sequence number. A request that comes again gets the same answer again
 * and does nothing twice; one of another number, and a damaged one, gets none. HELLO begins a session and sets the
 * sequence number; before it, and after a reset of the board, every other request is answered with HN_LINK_NO_SESSION.
 */
#ifndef HN_LINK_H
#define HN_LINK_H

#include <stdint.h>

/* Largest body, of a request and of an answer, in bytes; both are held in RAM. */
#ifndef HN_LINK_ROOM
#define HN_LINK_ROOM 1024u
#endif

#define HN_LINK_VERSION 1

enum {
    HN_LINK_HELLO = 1,       /* session (4), not 0. Answer: version (1), flags (1: network 1, learn 2, counts 4, events 8),
                                room (4), digest (16), inputs, outputs, bytes of what is sent in a step, of states, number of
                                events, bytes of the regions 0 to 3 (4 each) */
    HN_LINK_BEGIN_RUN = 2,   /* hn_reset. keeps states (1) */
    HN_LINK_STEPS = 3,       /* hn_step. width of an input value in bytes (1), values. Answer: of each step what every
                                population sent, and with states their states */
    HN_LINK_EVENTS = 4,      /* Answer: events of every population (4 each) */
    HN_LINK_RESET = 5,       /* hn_learn_reset */
    HN_LINK_BEGIN = 6,       /* hn_learn_begin */
    HN_LINK_LEARN_STEPS = 7, /* hn_learn_step. width (1), of each step values, label or numbers (4 each), scored (1).
                                Answer: outputs of each step (4 each) */
    HN_LINK_TAIL = 8,        /* hn_learn_tail. most steps (4). Answer: 1 where the sample is over (4), outputs of each step */
    HN_LINK_WATCH = 9,       /* places in hn_learn_run: offset (4), bytes (4), of up to 64 */
    HN_LINK_INFER = 10,      /* hn_learn_infer. width (1), values. Answer: of each step what is watched */
    HN_LINK_RATE = 11,       /* hn_learn_rate. weights (4), parameters (4) */
    HN_LINK_READ = 12,       /* region (1), offset (4), bytes (4). Answer: the bytes */
    HN_LINK_WRITE = 13       /* region (1), offset (4), bytes */
};

/* Regions: the three structs of learn.h, and counts. */
enum { HN_LINK_LEARNED = 0, HN_LINK_MEMORY = 1, HN_LINK_RUN = 2, HN_LINK_COUNTED = 3 };

enum {
    HN_LINK_OK = 0,
    HN_LINK_UNKNOWN = 1,    /* no such request in this program */
    HN_LINK_LENGTH = 2,     /* the body is too short or too long */
    HN_LINK_NO_SESSION = 3, /* HELLO first: the board has been reset */
    HN_LINK_RANGE = 4,      /* an input, a label, a rate or a place out of range; nothing was done */
    HN_LINK_TOO_LONG = 5    /* the answer would not fit HN_LINK_ROOM; nothing was done */
};

#endif
