/* Which STARTs are possible. */
#include "plan.h"

#include <stdbool.h>

#include "attend.h"

#define MIN_PERIOD_TICKS 2000 /* 1000 Hz */
#define MIN_WIDTH_TICKS 200   /* 100 us */
#define MIN_APART_TICKS 64    /* 32 us: the time that one edge takes, twice */
#define MAX_DIVISOR 64
#define MIN_TEST_PERIOD_TICKS 400
#define MAX_TEST_PERIOD_TICKS 131070 /* two halves of 16 bits */

static uint16_t common_divisor(uint16_t a, uint16_t b)
{
    while (b) {
        const uint16_t rest = a % b;
        a = b;
        b = rest;
        attend();
    }
    return a;
}

/* One of the divisors is 1, so the other two make at most 64 * 63. */
uint16_t plan_group_length(const struct start *start)
{
    uint16_t length = 1;
    for (uint8_t line = 0; line < LINES; line++) {
        const uint8_t divisor = start->divisors[line];
        if (divisor) length = length / common_divisor(length, divisor) * divisor;
    }
    return length;
}

static enum refusal refuse(enum refusal why, uint32_t at_fault, uint32_t *detail)
{
    *detail = at_fault;
    return why;
}

static enum refusal refusal_of_lines(const struct start *start, uint32_t *detail)
{
    bool has_base_line = false;
    for (uint8_t line = 0; line < LINES; line++) {
        const uint8_t divisor = start->divisors[line];
        const uint16_t width = start->widths_ticks[line];
        if (!divisor) continue;
        if (divisor > MAX_DIVISOR) return refuse(BAD_DIVISOR, divisor, detail);
        if (width < MIN_WIDTH_TICKS || width > start->period_ticks - MIN_APART_TICKS)
            return refuse(BAD_WIDTH, width, detail);
        has_base_line |= divisor == 1;
        attend();
    }
    if (!has_base_line) return refuse(NO_BASE_LINE, 0, detail);
    const uint16_t group = plan_group_length(start);
    return group > MAX_GROUP ? refuse(GROUP_TOO_LONG, group, detail) : ACCEPTED;
}

/* Ticks between two edges; edges at the same time are one, and what is far enough apart does not matter. */
static uint16_t apart(uint16_t a, uint16_t b)
{
    const uint16_t ticks = a < b ? b - a : a - b;
    return ticks && ticks < MIN_APART_TICKS ? ticks : MIN_APART_TICKS;
}

static enum refusal refusal_of_edges(const struct start *start, uint32_t *detail)
{
    const uint16_t phase = start->led_phase_ticks;
    if (phase < MIN_APART_TICKS || phase > start->period_ticks - MIN_APART_TICKS)
        return refuse(BAD_LED_PHASE, phase, detail);
    uint16_t least = MIN_APART_TICKS;
    for (uint8_t line = 0; line < LINES; line++) {
        if (!start->divisors[line]) continue;
        const uint16_t width = start->widths_ticks[line];
        uint16_t ticks = apart(width, phase);
        if (ticks < least) least = ticks;
        for (uint8_t other = 0; other < line; other++) {
            ticks = start->divisors[other] ? apart(width, start->widths_ticks[other]) : MIN_APART_TICKS;
            if (ticks < least) least = ticks;
        }
    }
    return least < MIN_APART_TICKS ? refuse(EDGES_TOO_CLOSE, least, detail) : ACCEPTED;
}

static enum refusal refusal_of_test(const struct start *start, uint32_t *detail)
{
    const uint32_t offset = start->test_offset_ticks, period = start->test_period_ticks;
    const bool has_offset = start->mode == TEST_EDGE || start->mode == TEST_FLASH;
    if (has_offset && offset >= start->period_ticks) return refuse(BAD_TEST_OFFSET, offset, detail);
    if (start->mode == TEST_FREE && (period < MIN_TEST_PERIOD_TICKS || period > MAX_TEST_PERIOD_TICKS))
        return refuse(BAD_TEST_PERIOD, period, detail);
    return ACCEPTED;
}

enum refusal plan_refusal(const struct start *start, uint32_t *detail)
{
    if (!start->run_id) return refuse(BAD_RUN_ID, 0, detail);
    if (start->mode >= MODES) return refuse(BAD_MODE, start->mode, detail);
    if (start->period_ticks < MIN_PERIOD_TICKS) return refuse(BAD_PERIOD, start->period_ticks, detail);
    enum refusal why = refusal_of_lines(start, detail);
    if (!why) why = refusal_of_edges(start, detail);
    if (!why) why = refusal_of_test(start, detail);
    return why;
}
