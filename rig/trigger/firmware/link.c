/* The serial line: frames in and out.

       message | CRC-16 of it --COBS--> no zero inside | 0

   While one frame leaves, the next is made: so the line is never idle when there is something to tell. */
#include "link.h"

#include <avr/io.h>
#include <stddef.h>
#include <util/crc16.h>

#include "attend.h"
#include "clock.h"
#include "pins.h"
#include "wire.h"

#define CRC_START 0xFFFF
#define CRC_BYTES 2
#define DIVIDER_115200 16 /* 117647 baud in fact, 2.1 % fast */
#define DIVIDER_250000 7  /* exact */
#define SEALED_AT_ONCE 4  /* bytes: more would keep others waiting */
#define RECEIVED 32       /* bytes that wait to be read */
#define SOON_TICKS 60     /* too soon to attend to anything else */

#define LONGEST_READ (sizeof(struct start) + CRC_BYTES)
#define LONGEST_SENT sizeof(struct events)
#define FRAME_BYTES (1 + LONGEST_SENT + CRC_BYTES + 1)

_Static_assert(LONGEST_SENT >= sizeof(struct identity), "IDENTITY does not fit");
_Static_assert(LONGEST_SENT >= sizeof(struct status), "STATUS does not fit");
_Static_assert(LONGEST_READ >= sizeof(struct hello) + CRC_BYTES, "HELLO does not fit");
_Static_assert(FRAME_BYTES < 128, "longer than the page allows");

uint32_t link_baud, link_bad_frames;

/* ---- in ---- */

static uint8_t received[RECEIVED], received_count, taken_count;

uint8_t link_message_read[LONGEST_READ];
uint32_t link_came_ticks;

static uint8_t read_count;
static uint16_t read_crc;  /* of all but the last two bytes, which may be the CRC itself */
static uint8_t block_left; /* bytes until the next COBS code */
static bool zero_follows;  /* this block ends in a zero, unless it is the last */
static bool is_empty, is_damaged;

static void begin_reading(void)
{
    read_count = block_left = 0;
    read_crc = CRC_START;
    zero_follows = is_damaged = false;
    is_empty = true;
}

static void keep(uint8_t byte)
{
    if (read_count == LONGEST_READ) {
        is_damaged = true;
        return;
    }
    link_message_read[read_count++] = byte;
    if (read_count > CRC_BYTES)
        read_crc = _crc_xmodem_update(read_crc, link_message_read[read_count - CRC_BYTES - 1]);
}

static void take_code(uint8_t code)
{
    if (zero_follows) keep(0);
    zero_follows = code != 0xFF;
    block_left = code - 1;
}

static bool is_whole(void)
{
    if (is_damaged || block_left || read_count <= CRC_BYTES) return false;
    const uint8_t *const crc = &link_message_read[read_count - CRC_BYTES];
    return crc[0] == (uint8_t)read_crc && crc[1] == read_crc >> 8;
}

/* A zero ends a frame, whatever came before it. */
static uint8_t end_frame(void)
{
    const uint8_t length = is_whole() ? read_count - CRC_BYTES : 0;
    if (!is_empty && !length) link_bad_frames++;
    begin_reading();
    return length;
}

static void take_byte(uint8_t byte)
{
    is_empty = false;
    if (block_left) {
        block_left--;
        keep(byte);
    } else {
        take_code(byte);
    }
}

uint8_t link_read(void)
{
    while (taken_count != received_count) {
        const uint8_t byte = received[taken_count++ % RECEIVED];
        const uint8_t length = byte ? 0 : end_frame();
        if (byte) take_byte(byte);
        if (length) return length;
        attend();
    }
    return 0;
}

/* A byte too many is lost, and its frame is damaged. */
static void receive_byte(void)
{
    const uint8_t byte = UDR0;
    if (!byte) link_came_ticks = ticks_now();
    if ((uint8_t)(received_count - taken_count) < RECEIVED) received[received_count++ % RECEIVED] = byte;
}

/* ---- out ---- */

static struct frame {
    uint8_t bytes[FRAME_BYTES]; /* from 1 on the message, so that COBS has room for its first code */
    uint8_t length;             /* of the message, then of the frame */
    uint8_t sealed;             /* bytes of the message that have been through the CRC */
    uint8_t code_at;            /* the code that waits for its zero */
    uint16_t crc;
    enum { FREE, MADE, READY } stage;
} frames[2];

static struct frame *making = &frames[0], *leaving = &frames[1];
static uint8_t left; /* bytes of `leaving` */

void *link_room(void)
{
    return making->stage == FREE ? making->bytes + 1 : NULL;
}

void link_send(uint8_t length)
{
    making->length = length;
    making->sealed = making->code_at = 0;
    making->crc = CRC_START;
    making->stage = MADE;
}

/* A byte that is zero is replaced by the distance to the next one. */
static inline void encode(struct frame *frame, uint8_t at)
{
    if (frame->bytes[at]) return;
    frame->bytes[frame->code_at] = at - frame->code_at;
    frame->code_at = at;
}

static void finish(struct frame *frame)
{
    uint8_t at = frame->length + 1;
    frame->bytes[at] = frame->crc;
    encode(frame, at++);
    frame->bytes[at] = frame->crc >> 8;
    encode(frame, at++);
    frame->bytes[at] = 0;
    encode(frame, at);
    frame->bytes[at] = 0;
    frame->length = at + 1;
    frame->stage = READY;
}

static void seal(struct frame *frame, uint8_t bytes)
{
    uint8_t at = frame->sealed;
    uint16_t crc = frame->crc;
    while (bytes-- && at < frame->length) {
        crc = _crc_xmodem_update(crc, frame->bytes[++at]);
        encode(frame, at);
    }
    frame->sealed = at;
    frame->crc = crc;
    if (at == frame->length) finish(frame);
}

static void exchange_frames(void)
{
    struct frame *const ready = making;
    making = leaving;
    leaving = ready;
    left = 0;
}

static void send_byte(void)
{
    UCSR0A = 1 << U2X0 | 1 << TXC0; /* writing 1 clears the flag, which then means this byte */
    UDR0 = leaving->bytes[left++];
    if (left == leaving->length) leaving->stage = FREE;
}

void link_move_bytes(void)
{
    while (UCSR0A & 1 << RXC0) receive_byte();
    while (UCSR0A & 1 << UDRE0 && leaving->stage == READY) send_byte();
}

void link_look(void)
{
    if (making->stage == MADE) seal(making, SEALED_AT_ONCE);
    if (making->stage == READY && leaving->stage == FREE) exchange_frames();
}

bool link_is_still(void)
{
    return making->stage == FREE && leaving->stage == FREE && UCSR0A & 1 << TXC0;
}

void link_send_at(uint8_t length, uint32_t ticks)
{
    link_send(length);
    while (making->stage != READY) {
        seal(making, SEALED_AT_ONCE);
        attend();
    }
    while ((int16_t)((uint16_t)ticks - ticks_low()) > SOON_TICKS) attend();
    exchange_frames();
    while ((int16_t)((uint16_t)ticks - ticks_low()) > 0) {}
    send_byte();
}

/* ---- set-up ---- */

void link_begin(void)
{
    const bool is_fast = FAST_JUMPER_IS_SET();
    link_baud = is_fast ? 250000 : 115200;
    UBRR0 = is_fast ? DIVIDER_250000 : DIVIDER_115200;
    UCSR0A = 1 << U2X0;
    UCSR0C = 1 << UCSZ01 | 1 << UCSZ00;
    UCSR0B = 1 << RXEN0 | 1 << TXEN0;
    begin_reading();
}
