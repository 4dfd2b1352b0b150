/* The inputs: five that are looked at, and one whose edges are stamped by the capture unit of Timer1.

   There are no pin-change interrupts, because they would move the trigger edges. */
#include "inputs.h"

#include <stdbool.h>
#include <util/atomic.h>

#include "clock.h"
#include "events.h"
#include "pins.h"
#include "pulses.h"

#define SELDOM __attribute__((noinline)) /* so that the look itself, which is done all the time, saves no registers */
#define AWAY_TICKS 2000 /* the inputs are looked at more often than that, unless the main loop was away */

uint32_t input_rises[STATUS_INPUTS];

static uint8_t levels_seen, wraps_seen;

void inputs_begin(void)
{
    levels_seen = POLLED_INPUTS_PIN & POLLED_INPUTS_MASK;
    if (TIMED_INPUT_IS_HIGH()) TCCR1B &= ~(1 << ICES1);
    TIFR1 = 1 << ICF1;
}

/* What pulse came last is decided at the time of the edge: so the pulses before it are told first. */
static void tell_edge(uint8_t kind, uint16_t low_ticks)
{
    const uint32_t ticks = ticks_of(low_ticks);
    pulses_tell_until(ticks);
    event_tell(kind, pulses_told - 1, ticks);
}

/* Whether a captured edge may be older than the timer's 16 bits tell: no look for a whole wrap, or for about that. */
static inline bool was_away(void)
{
    const uint8_t missed = WRAPS - wraps_seen;
    return missed && (missed > 1 || ticks_low() > AWAY_TICKS);
}

static inline void take_edge(uint8_t input, bool rose, uint16_t low_ticks)
{
    if (rose) input_rises[input]++;
    const bool is_told = events_take_edges() && (input != TIMED_INPUT || !was_away());
    if (is_told) tell_edge((rose ? RISE : FALL) | input, low_ticks);
    else events_lose(1);
}

SELDOM static void tell_polled(uint8_t levels, uint8_t changed)
{
    const uint16_t ticks = ticks_low();
    levels_seen = levels;
    for (uint8_t input = 0, bit = 1; changed; input++, bit <<= 1) {
        if (changed & bit) take_edge(input, levels & bit, ticks);
        changed &= ~bit;
    }
}

/* Wait for the other edge. The change of edge may set the flag by itself, so it is cleared afterwards. */
static void await_other_edge(void)
{
    TCCR1B ^= 1 << ICES1;
    TIFR1 = 1 << ICF1;
}

SELDOM static void tell_timed(void)
{
    uint16_t captured;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) captured = ICR1;
    const bool rose = TCCR1B & 1 << ICES1;
    await_other_edge();
    take_edge(TIMED_INPUT, rose, captured);
    if (!TIMED_INPUT_IS_HIGH() != rose || TIFR1 & 1 << ICF1) return;
    /* Back already, before the unit was set for that edge: stamped with this moment, late but not lost. */
    await_other_edge();
    take_edge(TIMED_INPUT, !rose, ticks_low());
}

void inputs_look(void)
{
    const uint8_t levels = POLLED_INPUTS_PIN & POLLED_INPUTS_MASK, changed = levels ^ levels_seen;
    if (changed) tell_polled(levels, changed);
    if (TIFR1 & 1 << ICF1) tell_timed();
    wraps_seen = WRAPS;
}
