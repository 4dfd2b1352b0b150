/* LED A in the test modes: switched by the hardware of OC1B on the very tick, also while the processor is busy. */
#pragma once

#include <avr/io.h>
#include <stdbool.h>
#include <stdint.h>

#include "pins.h"
#include "wire.h"

#define SET_AT_MATCH (1 << COM1B1 | 1 << COM1B0)
#define CLEAR_AT_MATCH (1 << COM1B1)

/* Plan the LED of a run whose pulse 0 comes at `first_ticks`. Nothing to do in RECORD and WALK. */
void led_test_plan(const struct start *start, uint32_t first_ticks);

/* Arm OC1B as soon as the first change is near enough for 16 bits. For the main loop. */
void led_test_look(void);

/* A few us before the end of a run: a change due at the end, or before the pin is given back, must not flash up. */
static inline void led_test_spare(uint16_t end_ticks)
{
    if ((uint16_t)(OCR1B - (end_ticks - 1)) < 8) OCR1B = end_ticks - 1000;
}

/* Give the pin back to the port, where it is dark, and leave OC1B off for the next run. */
static inline void led_test_end(void)
{
    TCCR1A = CLEAR_AT_MATCH;
    TCCR1C = 1 << FOC1B;
    TCCR1A = 0;
}
