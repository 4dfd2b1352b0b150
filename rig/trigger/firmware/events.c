/* The queue of events that wait to be told. */
#include "events.h"

#include "attend.h"

/* Of RUN_BEGAN, `pulse` is the run id while it waits here, and 0 on the wire. */
static struct waiting { struct event event; uint32_t seq; } queue[EVENTS_ROOM], *head = queue, *tail = queue;

uint8_t events_queued, events_deepest;
uint32_t events_dropped;

static uint32_t numbered;    /* events so far */
static uint32_t unnumbered;  /* lost since then */
static uint32_t told_run_id; /* run of the events that were taken last */

void events_lose(uint16_t count)
{
    unnumbered += count;
}

static void number_lost(void)
{
    numbered += unnumbered;
    events_dropped += unnumbered;
    unnumbered = 0;
}

static void move_on(struct waiting **place)
{
    if (++*place == queue + EVENTS_ROOM) *place = queue;
}

void event_tell(uint8_t kind, uint32_t pulse, uint32_t ticks)
{
    const bool is_pulse = (kind & 0xF0) == PULSE;
    if (events_queued >= (is_pulse ? EVENTS_ROOM_FOR_PULSES : EVENTS_ROOM)) {
        events_lose(1);
        return;
    }
    if (unnumbered && !is_pulse) number_lost();
    tail->event = (struct event){ kind, pulse, ticks };
    tail->seq = numbered++;
    move_on(&tail);
    if (++events_queued > events_deepest) events_deepest = events_queued;
}

void event_tell_began(uint32_t run_id, uint32_t ticks)
{
    event_tell(RUN_BEGAN, run_id, ticks);
}

uint32_t events_next_seq(void)
{
    return events_queued ? head->seq : numbered;
}

uint8_t events_take(struct events *message)
{
    struct event *place = message->events;
    uint32_t seq = message->first_seq = events_next_seq();
    message->type = EVENTS;
    while (events_queued && head->seq == seq && place < message->events + MAX_EVENTS) {
        *place = head->event;
        if (place->kind == RUN_BEGAN) {
            if (place > message->events) break; /* what was before is of another run */
            told_run_id = place->pulse;
            place->pulse = 0;
        }
        move_on(&head);
        events_queued--;
        place++, seq++;
        attend();
    }
    message->run_id = told_run_id;
    return (uint8_t *)place - (uint8_t *)message;
}
