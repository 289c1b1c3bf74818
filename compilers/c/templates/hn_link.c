/* Answers requests over a link of bytes, one after the other: hn_link.h has their form. Define HN_LINK_NETWORK where
 * network.c is part of the program, HN_LINK_LEARN where learn.c is. Characters come and go by hn_io.h: host_io.c on a
 * computer, cortex_m4/uart.c on a board; for another board write hn_get, hn_put and hn_flush for its serial line. */
#include "hn_link.h"

#include <string.h>

#include "hn_io.h"
#include "hn_link_digest.h"

#ifdef HN_LINK_NETWORK
#include "network.h"
#endif
#ifdef HN_LINK_LEARN
#include "learn.h"
#endif

enum { HEAD = 3, CHECK = 4, ANSWER_HEAD = 8, WATCHED = 64 };

/* A request, and the answer, which is kept: it is sent again where the request is. */
static uint8_t request[HN_LINK_ROOM + 16], answer[HN_LINK_ROOM + 16];
static uint32_t length, filled;
static uint32_t session, last_check;
static uint16_t last_sequence;
static int answered;

static uint32_t crc32(const uint8_t *bytes, uint32_t count) {
    static const uint32_t table[16] = {0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u,
        0x4db26158u, 0x5005713cu, 0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u,
        0xa00ae278u, 0xbdbdf21cu};
    uint32_t crc = 0xffffffffu;
    for (uint32_t i = 0; i < count; i++) {
        crc ^= bytes[i];
        crc = table[crc & 15u] ^ (crc >> 4);
        crc = table[crc & 15u] ^ (crc >> 4);
    }
    return ~crc;
}

static uint32_t read_number(const uint8_t *at, uint32_t bytes) {
    uint32_t value = 0;
    for (uint32_t i = 0; i < bytes; i++) {
        value |= (uint32_t)at[i] << (8u * i);
    }
    return value;
}

/* A number of 1, 2 or 4 bytes with its sign. */
static int32_t read_signed(const uint8_t *at, uint32_t bytes) {
    const uint32_t value = read_number(at, bytes);
    const uint32_t sign = 1u << (8u * bytes - 1u);
    return bytes < 4u && (value & sign) != 0u ? (int32_t)(value - sign) - (int32_t)(sign - 1u) - 1 : (int32_t)value;
}

static void put_number(uint32_t value, uint32_t bytes) {
    for (uint32_t i = 0; i < bytes; i++) {
        answer[filled++] = (uint8_t)(value >> (8u * i));
    }
}

static void put_bytes(const void *from, uint32_t count) {
    memcpy(answer + filled, from, count);
    filled += count;
}

/* Whether so many more bytes fit the answer. */
static int room_for(uint32_t count) {
    return count <= HN_LINK_ROOM && filled + count <= ANSWER_HEAD + HN_LINK_ROOM;
}

/* The next frame without its coding into `request`: 1, or 0 where it is damaged; -1 at the end of the input. */
static int receive(void) {
    uint32_t block = 0, left = 0;
    int damaged = 0, zero = 0;
    length = 0;
    for (;;) {
        const int c = hn_get();
        if (c < 0) {
            return -1;
        }
        if (c == 0) {
            if (length == 0u && block == 0u) {
                continue; /* an empty frame: what came before it is over */
            }
            return !damaged && left == 0u;
        }
        if (left == 0u) {
            if (zero) {
                if (length < sizeof request) {
                    request[length] = 0;
                }
                length++;
            }
            block = (uint32_t)c;
            left = block - 1u;
            zero = block != 255u;
        } else {
            if (length < sizeof request) {
                request[length] = (uint8_t)c;
            }
            length++;
            left--;
        }
        damaged |= length > sizeof request;
    }
}

/* The answer as a frame: no byte of it is 0 but the one that ends it. */
static void transmit(void) {
    uint32_t at = 0;
    for (;;) {
        uint32_t run = 0;
        while (run < 254u && at + run < filled && answer[at + run] != 0u) {
            run++;
        }
        hn_put((char)(run + 1u));
        for (uint32_t i = 0; i < run; i++) {
            hn_put((char)answer[at + i]);
        }
        at += run;
        if (run == 254u && at < filled) {
            continue;
        }
        if (at >= filled) {
            break;
        }
        at++; /* the zero that the length stands for */
        if (at == filled) {
            hn_put(1);
            break;
        }
    }
    hn_put(0);
    hn_flush();
}

#ifdef HN_LINK_LEARN
/* What can be read and written. */
static uint8_t *region(uint32_t number, uint32_t *size) {
    switch (number) {
    case HN_LINK_LEARNED:
        *size = sizeof hn_learned;
        return (uint8_t *)&hn_learned;
    case HN_LINK_MEMORY:
        *size = sizeof hn_learn_memory;
        return (uint8_t *)&hn_learn_memory;
    case HN_LINK_RUN:
        *size = sizeof hn_learn_run;
        return (uint8_t *)&hn_learn_run;
#ifdef HN_LEARN_COUNTS
    case HN_LINK_COUNTED:
        *size = sizeof hn_learn_counts;
        return (uint8_t *)&hn_learn_counts;
#endif
    default:
        *size = 0;
        return 0;
    }
}

static uint32_t watched_at[WATCHED], watched_bytes[WATCHED], watched, watched_total;
#endif

static uint8_t hello(const uint8_t *body, uint32_t count) {
    static const uint8_t digest[16] = HN_LINK_DIGEST;
    uint32_t sizes[4] = {0, 0, 0, 0}, flags = 0, inputs = 0, outputs = 0, events = 0, sent = 0, states = 0;
    if (count != 4u || read_number(body, 4) == 0u) {
        return HN_LINK_LENGTH;
    }
    session = read_number(body, 4);
#ifdef HN_LINK_LEARN
    flags |= 2u;
    inputs = HN_LEARN_INPUTS;
    outputs = HN_LEARN_OUTPUTS;
    for (uint32_t i = 0; i < 4u; i++) {
        (void)region(i, &sizes[i]);
    }
#ifdef HN_LEARN_COUNTS
    flags |= 4u;
#endif
#endif
#ifdef HN_LINK_NETWORK
    flags |= 1u;
    inputs = HN_INPUTS;
    outputs = HN_OUTPUTS;
#define ADD_SIZES(i)                                              \
    sent += HN_SIZE_##i * (uint32_t)sizeof *hn_sent_##i();        \
    states += HN_STATES_##i * HN_SIZE_##i * 4u;
    HN_POPULATIONS(ADD_SIZES)
#ifdef HN_EVENTS
#define ADD_EVENTS(i) events += HN_EVENTS_##i;
    flags |= 8u;
    HN_POPULATIONS(ADD_EVENTS)
#endif
#endif
    put_number(HN_LINK_VERSION, 1);
    put_number(flags, 1);
    put_number(HN_LINK_ROOM, 4);
    put_bytes(digest, sizeof digest);
    put_number(inputs, 4);
    put_number(outputs, 4);
    put_number(sent, 4);
    put_number(states, 4);
    put_number(events, 4);
    for (uint32_t i = 0; i < 4u; i++) {
        put_number(sizes[i], 4);
    }
    return HN_LINK_OK;
}

#ifdef HN_LINK_NETWORK
static uint8_t keeps_states;

static void put_sent(void) {
#define PUT_SENT(i) put_bytes(hn_sent_##i(), HN_SIZE_##i * (uint32_t)sizeof *hn_sent_##i());
#define PUT_STATES(i) put_bytes(hn_state_##i(), HN_STATES_##i * HN_SIZE_##i * 4u);
    HN_POPULATIONS(PUT_SENT)
    if (keeps_states) {
        HN_POPULATIONS(PUT_STATES)
    }
}

static uint32_t bytes_a_step(void) {
    uint32_t bytes = 0;
#define COUNT_SENT(i) bytes += HN_SIZE_##i * (uint32_t)sizeof *hn_sent_##i();
#define COUNT_STATES(i) bytes += HN_STATES_##i * HN_SIZE_##i * 4u;
    HN_POPULATIONS(COUNT_SENT)
    if (keeps_states) {
        HN_POPULATIONS(COUNT_STATES)
    }
    return bytes;
}

static uint8_t run_network(const uint8_t *body, uint32_t count) {
    static int32_t input[HN_INPUTS];
    const uint32_t width = count > 0u ? body[0] : 0u, bytes = width * HN_INPUTS;
    if ((width != 1u && width != 2u && width != 4u) || (count - 1u) % bytes != 0u) {
        return HN_LINK_LENGTH;
    }
    const uint32_t steps = (count - 1u) / bytes;
    if (steps > HN_LINK_ROOM || !room_for(steps * bytes_a_step())) {
        return HN_LINK_TOO_LONG;
    }
    for (uint32_t k = 0; k < steps * HN_INPUTS; k++) {
        const int32_t value = read_signed(body + 1 + k * width, width);
        if (value < HN_INPUT_LOW || value > HN_INPUT_LIMIT) {
            return HN_LINK_RANGE;
        }
    }
    for (uint32_t step = 0; step < steps; step++) {
        for (uint32_t k = 0; k < HN_INPUTS; k++) {
            input[k] = read_signed(body + 1 + (step * HN_INPUTS + k) * width, width);
        }
        hn_step(input);
        put_sent();
    }
    return HN_LINK_OK;
}

static uint8_t put_events(void) {
#ifdef HN_EVENTS
    uint32_t total = 0;
#define COUNT_EVENTS(i) total += HN_EVENTS_##i * 4u;
#define PUT_EVENTS(i) put_bytes(hn_events_##i(), HN_EVENTS_##i * 4u);
    HN_POPULATIONS(COUNT_EVENTS)
    if (!room_for(total)) {
        return HN_LINK_TOO_LONG;
    }
    HN_POPULATIONS(PUT_EVENTS)
    return HN_LINK_OK;
#else
    return HN_LINK_UNKNOWN;
#endif
}
#endif

#ifdef HN_LINK_LEARN
#if HN_LEARN_TARGETS == 0
enum { TOLD = 1 };
#else
enum { TOLD = HN_LEARN_OUTPUTS };
#endif

static int is_input(int32_t value) {
    return value >= -HN_LEARN_INPUT_LIMIT && value <= HN_LEARN_INPUT_LIMIT;
}

static void put_outputs(void) {
    for (uint32_t k = 0; k < HN_LEARN_OUTPUTS; k++) {
        put_number((uint32_t)(int32_t)hn_learn_output()[k], 4);
    }
}

static uint8_t run_learning(const uint8_t *body, uint32_t count) {
    static int32_t input[HN_LEARN_INPUTS];
    static int32_t told[TOLD];
    const uint32_t width = count > 0u ? body[0] : 0u, bytes = width * HN_LEARN_INPUTS + 4u * TOLD + 1u;
    if ((width != 1u && width != 2u && width != 4u) || (count - 1u) % bytes != 0u) {
        return HN_LINK_LENGTH;
    }
    const uint32_t steps = (count - 1u) / bytes;
    if (steps > HN_LINK_ROOM || !room_for(steps * 4u * HN_LEARN_OUTPUTS)) {
        return HN_LINK_TOO_LONG;
    }
    for (uint32_t step = 0; step < steps; step++) {
        const uint8_t *at = body + 1 + step * bytes;
        for (uint32_t k = 0; k < HN_LEARN_INPUTS; k++) {
            if (!is_input(read_signed(at + k * width, width))) {
                return HN_LINK_RANGE;
            }
        }
#if HN_LEARN_TARGETS == 0
        const int32_t label = read_signed(at + width * HN_LEARN_INPUTS, 4);
        if (label < 0 || label >= HN_LEARN_OUTPUTS) {
            return HN_LINK_RANGE;
        }
#endif
    }
    for (uint32_t step = 0; step < steps; step++) {
        const uint8_t *at = body + 1 + step * bytes;
        for (uint32_t k = 0; k < HN_LEARN_INPUTS; k++) {
            input[k] = read_signed(at + k * width, width);
        }
        at += width * HN_LEARN_INPUTS;
        for (uint32_t k = 0; k < TOLD; k++) {
            told[k] = read_signed(at + 4u * k, 4);
        }
        const int scored = at[4u * TOLD] != 0u;
#if HN_LEARN_TARGETS == 0
        hn_learn_step(input, told[0], scored);
#elif HN_LEARN_TARGETS == 1
        hn_learn_step_with_target(input, told, scored);
#else
        hn_learn_step_with_error(input, told, scored);
#endif
        put_outputs();
    }
    return HN_LINK_OK;
}

static uint8_t run_tail(const uint8_t *body, uint32_t count) {
    if (count != 4u) {
        return HN_LINK_LENGTH;
    }
    const uint32_t most = read_number(body, 4);
    if (most > HN_LINK_ROOM || !room_for(4u + most * 4u * HN_LEARN_OUTPUTS)) {
        return HN_LINK_TOO_LONG;
    }
    /* 0: there are more; 1: the sample is over */
    const uint32_t first = filled;
    uint32_t over = 0;
    put_number(0, 4);
    for (uint32_t step = 0; step < most; step++) {
        if (!hn_learn_tail()) {
            over = 1;
            break;
        }
        put_outputs();
    }
    answer[first] = (uint8_t)over;
    return HN_LINK_OK;
}

static uint8_t watch(const uint8_t *body, uint32_t count) {
    if (count % 8u != 0u || count / 8u > WATCHED) {
        return HN_LINK_LENGTH;
    }
    uint32_t total = 0;
    for (uint32_t k = 0; k < count / 8u; k++) {
        const uint32_t at = read_number(body + 8u * k, 4), bytes = read_number(body + 8u * k + 4u, 4);
        if (at > sizeof hn_learn_run || bytes > sizeof hn_learn_run - at) {
            return HN_LINK_RANGE;
        }
        total += bytes;
    }
    watched = count / 8u;
    watched_total = total;
    for (uint32_t k = 0; k < watched; k++) {
        watched_at[k] = read_number(body + 8u * k, 4);
        watched_bytes[k] = read_number(body + 8u * k + 4u, 4);
    }
    return HN_LINK_OK;
}

static uint8_t infer(const uint8_t *body, uint32_t count) {
    static int32_t input[HN_LEARN_INPUTS];
    const uint32_t width = count > 0u ? body[0] : 0u, bytes = width * HN_LEARN_INPUTS;
    if ((width != 1u && width != 2u && width != 4u) || (count - 1u) % bytes != 0u) {
        return HN_LINK_LENGTH;
    }
    const uint32_t steps = (count - 1u) / bytes;
    if (steps > HN_LINK_ROOM || watched_total > HN_LINK_ROOM || !room_for(steps * watched_total)) {
        return HN_LINK_TOO_LONG;
    }
    for (uint32_t k = 0; k < steps * HN_LEARN_INPUTS; k++) {
        if (!is_input(read_signed(body + 1 + k * width, width))) {
            return HN_LINK_RANGE;
        }
    }
    for (uint32_t step = 0; step < steps; step++) {
        for (uint32_t k = 0; k < HN_LEARN_INPUTS; k++) {
            input[k] = read_signed(body + 1 + (step * HN_LEARN_INPUTS + k) * width, width);
        }
        hn_learn_infer(input);
        for (uint32_t k = 0; k < watched; k++) {
            put_bytes((const uint8_t *)&hn_learn_run + watched_at[k], watched_bytes[k]);
        }
    }
    return HN_LINK_OK;
}

static uint8_t read_region(const uint8_t *body, uint32_t count) {
    uint32_t size = 0;
    if (count != 9u) {
        return HN_LINK_LENGTH;
    }
    const uint8_t *from = region(body[0], &size);
    const uint32_t at = read_number(body + 1, 4), bytes = read_number(body + 5, 4);
    if (!from || at > size || bytes > size - at) {
        return HN_LINK_RANGE;
    }
    if (!room_for(bytes)) {
        return HN_LINK_TOO_LONG;
    }
    put_bytes(from + at, bytes);
    return HN_LINK_OK;
}

static uint8_t write_region(const uint8_t *body, uint32_t count) {
    uint32_t size = 0;
    if (count < 5u) {
        return HN_LINK_LENGTH;
    }
    uint8_t *to = region(body[0], &size);
    const uint32_t at = read_number(body + 1, 4), bytes = count - 5u;
    if (!to || at > size || bytes > size - at) {
        return HN_LINK_RANGE;
    }
    memcpy(to + at, body + 5, bytes);
    return HN_LINK_OK;
}

static uint8_t set_rate(const uint8_t *body, uint32_t count) {
    if (count != 8u) {
        return HN_LINK_LENGTH;
    }
    const int32_t weights = read_signed(body, 4), parameters = read_signed(body + 4, 4);
    if (weights < 0 || weights > 1 << 27 || parameters < 0 || parameters > 1 << 27) {
        return HN_LINK_RANGE;
    }
    hn_learn_rate(weights, parameters);
    return HN_LINK_OK;
}

static uint8_t reset_learning(void) {
    hn_learn_reset();
#ifdef HN_LEARN_COUNTS
    memset(&hn_learn_counts, 0, sizeof hn_learn_counts);
#endif
    return HN_LINK_OK;
}
#endif

static uint8_t answer_to(uint8_t type, const uint8_t *body, uint32_t count) {
    if (type == HN_LINK_HELLO) {
        return hello(body, count);
    }
    switch (type) {
#ifdef HN_LINK_NETWORK
    case HN_LINK_BEGIN_RUN:
        if (count != 1u) {
            return HN_LINK_LENGTH;
        }
        keeps_states = body[0] != 0u;
        hn_reset();
        return HN_LINK_OK;
    case HN_LINK_STEPS:
        return run_network(body, count);
    case HN_LINK_EVENTS:
        return put_events();
#endif
#ifdef HN_LINK_LEARN
    case HN_LINK_RESET:
        return reset_learning();
    case HN_LINK_BEGIN:
        hn_learn_begin();
        return HN_LINK_OK;
    case HN_LINK_LEARN_STEPS:
        return run_learning(body, count);
    case HN_LINK_TAIL:
        return run_tail(body, count);
    case HN_LINK_WATCH:
        return watch(body, count);
    case HN_LINK_INFER:
        return infer(body, count);
    case HN_LINK_RATE:
        return set_rate(body, count);
    case HN_LINK_READ:
        return read_region(body, count);
    case HN_LINK_WRITE:
        return write_region(body, count);
#endif
    default:
        return HN_LINK_UNKNOWN;
    }
}

/* Answers the frame in `request`. */
static void serve(void) {
    if (length < HEAD + CHECK || crc32(request, length - CHECK) != read_number(request + length - CHECK, 4)) {
        return; /* damaged: the other side asks again */
    }
    const uint8_t type = request[0];
    const uint16_t sequence = (uint16_t)read_number(request + 1, 2);
    const uint32_t check = read_number(request + length - CHECK, 4);
    if (answered && sequence == last_sequence && check == last_check) {
        transmit(); /* the answer was lost */
        return;
    }
    if (type != HN_LINK_HELLO && session != 0u && sequence != (uint16_t)(last_sequence + 1u)) {
        return; /* an old frame, late on its way */
    }
    filled = ANSWER_HEAD;
    uint8_t status = HN_LINK_NO_SESSION;
    if (type == HN_LINK_HELLO || session != 0u) {
        status = answer_to(type, request + HEAD, length - HEAD - CHECK);
    }
    if (status != HN_LINK_OK) {
        filled = ANSWER_HEAD;
    }
    const uint32_t end = filled;
    filled = 0;
    put_number(type | 0x80u, 1);
    put_number(sequence, 2);
    put_number(status, 1);
    put_number(session, 4);
    filled = end;
    put_number(crc32(answer, end), 4);
    if (session != 0u) {
        last_sequence = sequence;
        last_check = check;
        answered = 1;
    }
    transmit();
}

int main(void) {
#ifdef HN_LINK_LEARN
    (void)reset_learning();
#endif
#ifdef HN_LINK_NETWORK
    hn_reset();
#endif
    for (;;) {
        const int whole = receive();
        if (whole < 0) {
            return 0;
        }
        if (whole) {
            serve();
        }
    }
}
