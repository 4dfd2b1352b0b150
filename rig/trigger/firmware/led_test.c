/* LED A in the test modes. */
#include "led_test.h"

#include <avr/interrupt.h>
#include <util/atomic.h>

#include "clock.h"
#include "pulses.h"

#define FLASH_TICKS 400
#define NEAR_TICKS 60000

static uint16_t on_ticks, off_ticks;
static uint32_t first_ticks; /* when the LED lights first */
static bool waits;           /* to be armed */
static bool is_on;
static uint16_t changes; /* OCR1B: when it changes next */

/* The pin has changed already; say what it does next, and when. The edges of the lines may interrupt this, but not
   between two bytes, and not so that a run that has just ended is armed again. */
ISR(TIMER1_COMPB_vect, ISR_NOBLOCK)
{
    is_on = !is_on;
    const uint16_t lasts = is_on ? on_ticks : off_ticks;
    ATOMIC_BLOCK(ATOMIC_FORCEON) {
        if (run_goes_on) {
            if ((uint16_t)(TCNT1 - changes) >= lasts) edges_late++; /* the next one is missed for a whole wrap */
            OCR1B = changes += lasts;
            TCCR1A = is_on ? CLEAR_AT_MATCH : SET_AT_MATCH;
        }
    }
}

void led_test_plan(const struct start *start, uint32_t pulse_0_ticks)
{
    const uint16_t half = start->test_period_ticks / 2;
    first_ticks = pulse_0_ticks + start->test_offset_ticks;
    waits = true;
    switch (start->mode) {
    case TEST_EDGE:
        on_ticks = off_ticks = start->period_ticks;
        break;
    case TEST_FLASH:
        on_ticks = FLASH_TICKS;
        off_ticks = start->period_ticks - FLASH_TICKS;
        break;
    case TEST_FREE:
        first_ticks = pulse_0_ticks;
        on_ticks = half;
        off_ticks = start->test_period_ticks - half;
        break;
    default:
        waits = false;
    }
}

/* A match acts one tick after the timer has reached the register. The pin is handed over last: until then a match with
   what the register held before must not move it. */
static void arm(void)
{
    OCR1B = changes = first_ticks - 1;
    is_on = false;
    TIFR1 = 1 << OCF1B;
    TCCR1A = SET_AT_MATCH;
    TIMSK1 |= 1 << OCIE1B;
}

void led_test_look(void)
{
    if (!waits || first_ticks - ticks_now() > NEAR_TICKS) return;
    waits = false;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        if (run_goes_on) arm();
    }
}
