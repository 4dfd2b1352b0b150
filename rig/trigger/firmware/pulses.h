/* A run: its trigger pulses and the code of the sync LEDs, each edge on its exact cycle whatever the main loop does. */
#pragma once

#include <stdbool.h>

#include "wire.h"

extern volatile bool run_goes_on;    /* until its last slot is over; the interrupt clears it */
extern bool run_is_told_over;        /* the main loop has told its end; before the first run too */
extern volatile bool stop_asked;     /* the group that runs is the last one of the body */
extern volatile uint32_t edges_late; /* later than planned, since boot */
extern uint32_t pulses_told;         /* of the run that is or was, as far as the main loop has told them */
extern uint32_t run_began_ticks, run_ended_ticks;

/* Send the run that `start` describes, which must be a possible one, while none is sent. */
void pulses_begin(const struct start *start);

/* Tell the pulses that were sent by `ticks`. */
void pulses_tell_until(uint32_t ticks);

/* Tell the pulses that were sent. */
void pulses_look(void);
