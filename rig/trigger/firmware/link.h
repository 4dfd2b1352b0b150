/* The serial line: frames in and out, polled, because an interrupt for each byte would move the trigger edges. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern uint32_t link_baud;       /* nominal */
extern uint32_t link_bad_frames; /* damaged, of unknown type, or of the wrong length */

/* 115200 baud, or 250000 with the jumper. */
void link_begin(void);

/* Take what has come from the line and give it what it has room for. */
void link_move_bytes(void);

/* Read what was taken. The length of a message that is complete now, else 0; it stays until the next call. */
uint8_t link_read(void);
extern uint8_t link_message_read[];
extern uint32_t link_came_ticks; /* when its last byte had come */

/* Where the next message may be written, or NULL while there is no room. */
void *link_room(void);

/* Send what was written there. */
void link_send(uint8_t length);

/* The same, the first bit leaving at `ticks`, which must be near; the line must be still. */
void link_send_at(uint8_t length, uint32_t ticks);

/* Whether the last bit has left and nothing waits. */
bool link_is_still(void);

/* Go on making frames. */
void link_look(void);
