/* The box's time: Timer1 counts ticks of 0.5 us and wraps every 33 ms; an interrupt counts the wraps, so that the time
   is right however long the main loop was away. */
#pragma once

#include <avr/io.h>
#include <stdint.h>

#define TICK_HZ 2000000
#define TICK_CYCLES 8
#define WRAPS GPIOR0 /* of Timer1, counted by an interrupt, low 8 bits */

extern uint8_t tick_phase; /* Timer0 counts cycles: this much more than 8 times Timer1's ticks, when a tick begins */

void clock_begin(void);

/* The 16 bits of the timer now. For the main loop: an interrupt must not come between the two bytes. */
uint16_t ticks_low(void);

/* All 32 bits. For the main loop. */
uint32_t ticks_now(void);

/* The last moment at which the timer read `low`: the right one when that is less than 33 ms ago. */
uint32_t ticks_of(uint16_t low);
