/* docs/reference/wire-format.md in C: every message as it lies in memory, which is how it goes over the wire. */
#pragma once

#include <stdint.h>

#define PROTOCOL 1
#define LINES 3
#define INPUTS 6
#define STATUS_INPUTS 8
#define MAX_EVENTS 11
#define UNTIL_STOP 0xFFFFFFFF

enum type {
    HELLO = 0x01, START, STOP, PING, ASK_STATUS,
    IDENTITY = 0x81, STARTED, STOPPING, PONG, STATUS,
    EVENTS = 0x90, BOOT, ERROR = 0xFF,
};

enum mode { RECORD, WALK, TEST_EDGE, TEST_FLASH, TEST_FREE, MODES };
enum state { STATE_IDLE, STATE_RUNNING, STATE_STOPPING };
enum cause { UNKNOWN, POWER_ON, RESET_LINE, BROWN_OUT, WATCHDOG };
enum kind { PULSE = 0x10, FALL = 0x20, RISE = 0x30, RUN_BEGAN = 0x40, RUN_ENDED = 0x50 };

enum capability {
    CAN_RECORD = 2, CAN_WALK = 4, EXACT_COUNT = 8, SYNC_LEDS = 16, TEST_MODES = 32, HAS_TIMED_INPUT = 64,
    QUIET_BOUND = 128, BOOT_COUNTER = 256,
};

enum refusal {
    ACCEPTED, WRONG_VERSION, NO_HELLO, WRONG_NONCE, BUSY,
    BAD_RUN_ID = 16, BAD_MODE, BAD_PERIOD, BAD_DIVISOR, BAD_WIDTH, BAD_LED_PHASE, EDGES_TOO_CLOSE, GROUP_TOO_LONG,
    NO_BASE_LINE, BAD_TEST_OFFSET, BAD_TEST_PERIOD,
};

#define MESSAGE struct __attribute__((packed))

MESSAGE hello { uint8_t type, request, protocol; uint32_t nonce; };
MESSAGE start {
    uint8_t type, request;
    uint32_t nonce, run_id;
    uint8_t mode;
    uint16_t period_ticks;
    uint32_t body_groups;
    uint16_t led_phase_ticks;
    uint8_t divisors[LINES];
    uint16_t widths_ticks[LINES];
    uint32_t test_offset_ticks, test_period_ticks;
    uint16_t quiet_s;
};
MESSAGE plain_request { uint8_t type, request; }; /* STOP, PING, ASK_STATUS */

MESSAGE identity {
    uint8_t type, request, protocol;
    uint32_t nonce;
    uint8_t major, minor, patch;
    uint16_t capabilities;
    char serial[12], model[16];
    uint32_t tick_hz, ticks, boots, run_id, next_seq, baud;
    uint16_t events_per_s;
    uint8_t lines, inputs;
};
MESSAGE started { uint8_t type, request; uint32_t run_id, ticks; };
MESSAGE stopping { uint8_t type, request; uint32_t run_id; };
MESSAGE pong { uint8_t type, request; uint32_t rx_ticks, tx_ticks; };
MESSAGE status {
    uint8_t type, request, state;
    uint32_t run_id;
    uint8_t mode;
    uint32_t ticks, pulses_sent, ended_ticks, boots, next_seq;
    uint8_t queued, deepest_queue;
    uint32_t dropped, late, bad_frames;
    uint8_t cause;
    uint32_t input_rises[STATUS_INPUTS];
};
MESSAGE event { uint8_t kind; uint32_t pulse, ticks; };
MESSAGE events { uint8_t type; uint32_t run_id, first_seq; struct event events[MAX_EVENTS]; };
MESSAGE boot { uint8_t type; uint32_t boots; uint8_t cause; };
MESSAGE error { uint8_t type, request, refused, code; uint32_t detail; };

#undef MESSAGE

#define IS_LONG(message, bytes) _Static_assert(sizeof(struct message) == bytes, #message " is not as on the page")
IS_LONG(hello, 7);
IS_LONG(start, 38);
IS_LONG(plain_request, 2);
IS_LONG(identity, 68);
IS_LONG(started, 10);
IS_LONG(stopping, 6);
IS_LONG(pong, 10);
IS_LONG(status, 75);
IS_LONG(events, 9 + 9 * MAX_EVENTS);
IS_LONG(boot, 6);
IS_LONG(error, 8);
#undef IS_LONG
