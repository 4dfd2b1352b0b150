/* A run: its trigger pulses and the code of the sync LEDs.

   One interrupt plays every edge from a short table that repeats each base period: all lines rise at 0, each falls
   after its width, and the LEDs change once. It is entered early, whatever the main loop was doing, and waits for the
   exact cycle; then one instruction moves all three lines. What comes next is worked out only after that. */
#include "pulses.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>

#include "attend.h"
#include "clock.h"
#include "events.h"
#include "led_test.h"
#include "pins.h"
#include "plan.h"

#define FIRST_PULSE_TICKS 4000 /* from START to pulse 0 */
#define LEAD_TICKS 22          /* by which the interrupt comes before its edge */
#define SLACK_TICKS 5          /* less is too little to meet the cycle */
#define PLAY_CYCLES 11         /* of wait_and_play() from reading the timer to the edge, with nothing to wait */

/* Slots with pulses (1) and silent ones (0) of preamble and postamble, lowest bit first, up to a last 1. */
#define PREAMBLE_SLOTS 0x4B  /* x x . x . . */
#define POSTAMBLE_SLOTS 0x74 /* . . x . x x */
#define NO_SLOTS 0x01

#define UNTOLD 8 /* pulses that wait for the main loop */

#define LED_SEED 0xB5A3C
#define LED_TOP_BIT 0x80000 /* of 20 */

enum part { PREAMBLE, BODY, POSTAMBLE };
enum slot { SILENT, PULSES, OVER };

/* What the run is; written before it begins. */
static struct edge { uint16_t ticks; uint8_t falls; bool changes_leds; } edges[2 + LINES];
static struct edge *edges_end;
static uint16_t period_ticks;
static uint8_t group[MAX_GROUP], group_length; /* lines that rise in each base period of a slot */
static struct walk { uint8_t line_bit, pulses; } walk[LINES + 1];
static uint8_t postamble;

/* Where it stands; of the interrupt alone. */
static enum part part;
static enum slot slot;
static uint8_t amble;        /* slots that are left of preamble or postamble */
static uint32_t groups_left; /* of the body, or of the line that walks */
static uint8_t walk_index, period_index;
static const struct edge *edge = edges;
static uint32_t period_began; /* ticks */
static uint8_t coded;         /* pulses whose code the LEDs have shown or show */
static __uint24 sequence;     /* m-sequence of LED A; the lowest bit is the one of the next change */

/* The next edge. */
static uint16_t next_ticks;
static uint8_t next_cycle; /* low byte of Timer0 when the wait for the edge is over */
static uint8_t next_lines, next_leds;
static uint8_t rising; /* lines that rise in this base period */
static bool may_stop;  /* at this edge: it begins a slot of the body */

/* From the interrupt to the main loop. */
static volatile struct sent { uint8_t lines; uint32_t ticks; } untold[UNTOLD];
static volatile uint16_t sent_count; /* 16 bits: no more are sent before the watchdog bites */
static uint16_t told_count;

volatile bool run_goes_on, stop_asked;
bool run_is_told_over = true;
volatile uint32_t edges_late;
uint32_t pulses_told, run_began_ticks, run_ended_ticks;

/* ---- what comes next ---- */

/* The code of the next pulse that has not been shown yet. */
static inline uint8_t take_code(void)
{
    const uint8_t low = sequence, gray = coded ^ coded >> 1;
    uint8_t leds = LEDS_DARK;
    if (low & 1) leds |= LED_A;
    if (gray & 1) leds |= LED_B1;
    if (gray & 2) leds |= LED_B2;
    sequence >>= 1;
    if ((low ^ low >> 3) & 1) sequence |= (__uint24)LED_TOP_BIT;
    coded = (coded + 1) & 3;
    return leds;
}

static inline void take_amble_slot(void)
{
    slot = amble == NO_SLOTS ? OVER : amble & 1 ? PULSES : SILENT;
    amble >>= 1;
}

static void leave_body(void)
{
    part = POSTAMBLE;
    amble = postamble;
    take_amble_slot();
}

/* In place of a slot of the body that was planned already. */
static inline void cut_body(void)
{
    leave_body();
    rising = 0;
}

static inline bool walk_on_next_line(void)
{
    const struct walk *const next = &walk[walk_index];
    if (!next->pulses) return false;
    group[0] = next->line_bit;
    groups_left = next->pulses;
    walk_index++;
    return true;
}

static inline void take_body_slot(void)
{
    if (!groups_left && !walk_on_next_line()) {
        leave_body();
        return;
    }
    slot = PULSES;
    if (groups_left != UNTIL_STOP) groups_left--;
}

static void take_slot(void)
{
    if (part == PREAMBLE && amble == NO_SLOTS) part = BODY;
    if (part == BODY) take_body_slot();
    else take_amble_slot();
    may_stop = part == BODY;
}

static inline void take_period(void)
{
    period_began += period_ticks;
    if (++period_index == group_length) {
        period_index = 0;
        take_slot();
    }
    rising = slot == PULSES ? group[period_index] : 0;
    next_lines |= rising;
    if (slot == OVER) next_leds = LEDS_DARK;
}

static inline void set_next_ticks(uint16_t ticks)
{
    next_ticks = ticks;
    next_cycle = (uint8_t)ticks * TICK_CYCLES + tick_phase - PLAY_CYCLES;
    OCR1A = ticks - LEAD_TICKS;
}

/* All lines are low at the end of a period: each width is shorter. */
static inline void take_edge(void)
{
    may_stop = false;
    if (++edge == edges_end) {
        edge = edges;
        take_period();
    } else {
        next_lines &= ~edge->falls;
    }
    if (edge->changes_leds && rising) next_leds = take_code();
    set_next_ticks(period_began + edge->ticks);
}

/* ---- the interrupt ---- */

/* Both ports when the low byte of Timer0 is `due` + PLAY_CYCLES, on that cycle; the LEDs one cycle after the lines. */
static inline void wait_and_play(uint8_t due, uint8_t lines, uint8_t leds)
{
    uint8_t now;
    asm volatile("in %[now], %[timer0]\n\t"
                 "sub %[due], %[now]\n\t"
                 "lsr %[due]\n\t"
                 "brcs 1f\n\t" /* one cycle more when it jumps to the next line */
                 "1: lsr %[due]\n\t"
                 "brcc 3f\n\t" /* two cycles more when it does not jump */
                 "rjmp 2f\n\t"
                 "2: nop\n\t"
                 "3: subi %[due], 1\n\t" /* four cycles a round */
                 "nop\n\t"
                 "brcc 3b\n\t"
                 "out %[lines_port], %[lines]\n\t"
                 "out %[leds_port], %[leds]"
                 : [due] "+d"(due), [now] "=&r"(now)
                 : [lines] "r"(lines), [leds] "r"(leds), [timer0] "I"(_SFR_IO_ADDR(TCNT0)),
                   [lines_port] "I"(_SFR_IO_ADDR(LINES_PORT)), [leds_port] "I"(_SFR_IO_ADDR(LEDS_PORT)));
}

/* Too late for the exact cycle: as soon as it is not too early. */
static inline void play_late(void)
{
    while ((uint16_t)(next_ticks - TCNT1 - 1) < LEAD_TICKS) {}
    LINES_PORT = next_lines;
    LEDS_PORT = next_leds;
    edges_late++;
}

static inline void play(void)
{
    const uint16_t left = next_ticks - TCNT1;
    if (left >= SLACK_TICKS && left <= LEAD_TICKS) wait_and_play(next_cycle, next_lines, next_leds);
    else play_late();
}

static inline void note_pulse(void)
{
    volatile struct sent *const sent = &untold[sent_count % UNTOLD];
    sent->lines = rising;
    sent->ticks = period_began;
    sent_count++;
}

static inline void end_run(void)
{
    led_test_end();
    TIMSK1 = 1 << TOIE1;
    run_goes_on = false;
}

/* A match that is over already would come again only after a whole wrap: let there be another one at once. */
static inline void make_up_for_missed_match(uint16_t played_ticks)
{
    const uint16_t since = TCNT1 - played_ticks, until_match = next_ticks - LEAD_TICKS - played_ticks;
    if (since >= until_match) OCR1A = TCNT1 + 2;
}

ISR(TIMER1_COMPA_vect)
{
    const bool is_cut = may_stop && stop_asked;
    const uint16_t played_ticks = next_ticks;
    if (is_cut) next_lines = LINES_LOW; /* the postamble begins silent, and a run without one is over */
    if (is_cut || slot == OVER) led_test_spare(next_ticks);
    play();
    TIFR1 = 1 << OCF1A; /* the match before may have been made up for, and come nevertheless */
    if (is_cut) cut_body();
    if (slot == OVER) {
        end_run();
        return;
    }
    if (edge == edges && rising) note_pulse();
    take_edge();
    make_up_for_missed_match(played_ticks);
}

/* ---- the main loop ---- */

/* Keep the table sorted; edges at the same time are one. */
static struct edge *add_edge(uint16_t ticks)
{
    struct edge *at = edges, *end = edges_end;
    while (at < end && at->ticks < ticks) at++;
    if (at < end && at->ticks == ticks) return at;
    for (edges_end = end + 1; end > at; end--) *end = end[-1];
    *at = (struct edge){ ticks, 0, false };
    return at;
}

static void plan_edges(const struct start *start)
{
    period_ticks = start->period_ticks;
    edges_end = edges;
    add_edge(0);
    for (uint8_t line = 0; line < LINES; line++)
        if (start->divisors[line]) add_edge(start->widths_ticks[line])->falls |= LINE_BIT(line);
    if (start->mode == RECORD) add_edge(start->led_phase_ticks)->changes_leds = true;
}

static void plan_group(const struct start *start)
{
    group_length = plan_group_length(start);
    for (uint8_t i = 0; i < group_length; i++) group[i] = 0;
    if (start->mode == WALK) return;
    for (uint8_t line = 0; line < LINES; line++) {
        if (start->divisors[line])
            for (uint8_t i = 0; i < group_length; i += start->divisors[line]) group[i] |= LINE_BIT(line);
        attend();
    }
}

static void plan_walk(const struct start *start)
{
    uint8_t count = 0;
    for (uint8_t line = 0; line < LINES && start->mode == WALK; line++)
        if (start->divisors[line]) walk[count++] = (struct walk){ LINE_BIT(line), 3 + 2 * line };
    walk[count].pulses = 0;
    walk_index = 0;
}

static void plan_slots(const struct start *start)
{
    const bool is_recording = start->mode == RECORD;
    part = is_recording ? PREAMBLE : BODY;
    amble = PREAMBLE_SLOTS;
    postamble = is_recording ? POSTAMBLE_SLOTS : NO_SLOTS;
    groups_left = start->mode == WALK ? 0 : start->body_groups;
    period_index = 0;
    edge = edges;
    take_slot();
    rising = slot == PULSES ? group[0] : 0;
    next_lines = LINES_LOW | rising;
}

/* The LEDs show the code of pulse 0 from now on. */
static void plan_leds(const struct start *start)
{
    coded = 0;
    sequence = LED_SEED;
    next_leds = start->mode == RECORD ? take_code() : LEDS_DARK;
    LEDS_PORT = next_leds;
}

static void arm(uint32_t first_ticks)
{
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        period_began = first_ticks;
        set_next_ticks(first_ticks);
        TIFR1 = 1 << OCF1A;
        TIMSK1 = 1 << TOIE1 | 1 << OCIE1A;
    }
}

void pulses_begin(const struct start *start)
{
    plan_edges(start);
    attend();
    plan_group(start);
    attend();
    plan_walk(start);
    plan_slots(start);
    plan_leds(start);
    pulses_told = 0;
    stop_asked = run_is_told_over = false;
    run_goes_on = true;
    run_began_ticks = ticks_now();
    led_test_plan(start, run_began_ticks + FIRST_PULSE_TICKS);
    arm(run_began_ticks + FIRST_PULSE_TICKS);
    event_tell_began(start->run_id, run_began_ticks);
}

/* Quickly: a count caught between its two bytes can only say so too early. */
static inline bool some_are_untold(void)
{
    return sent_count != told_count;
}

static uint16_t untold_count(void)
{
    uint16_t count;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) count = sent_count;
    return count - told_count;
}

/* Not expected: the main loop was away for so long that pulses have been overwritten. */
static void lose_overwritten(uint16_t pulses)
{
    events_lose(pulses);
    pulses_told += pulses;
    told_count += pulses;
}

void pulses_tell_until(uint32_t ticks)
{
    while (some_are_untold()) {
        const volatile struct sent *const sent = &untold[told_count % UNTOLD];
        const uint8_t lines = sent->lines;
        const uint32_t sent_ticks = sent->ticks;
        const uint16_t waiting = untold_count(); /* asked afterwards: the interrupt may overwrite it meanwhile */
        if (waiting > UNTOLD) {
            lose_overwritten(waiting - UNTOLD);
            continue;
        }
        if ((int32_t)(ticks - sent_ticks) < 0) return;
        event_tell(PULSE | lines / LINE_BIT(0), pulses_told++, sent_ticks);
        told_count++;
    }
}

void pulses_look(void)
{
    const bool is_over = !run_goes_on; /* asked first: then all its pulses are there to be told */
    led_test_look();
    if (some_are_untold()) pulses_tell_until(ticks_now());
    if (!is_over || run_is_told_over) return;
    run_is_told_over = true;
    run_ended_ticks = period_began; /* the one after the last */
    event_tell(RUN_ENDED, pulses_told, run_ended_ticks);
}
