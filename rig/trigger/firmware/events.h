/* The queue of events that wait to be told. Each has its number in the one sequence, also those without room. */
#pragma once

#include <stdbool.h>

#include "wire.h"

extern uint8_t events_queued, events_deepest;
extern uint32_t events_dropped;

/* How many may wait before one more is lost: of begins and ends of runs, pulses, and edges at the inputs. */
#define EVENTS_ROOM 72
#define EVENTS_ROOM_FOR_PULSES 68
#define EVENTS_ROOM_FOR_EDGES 28

/* Whether an edge at an input may be told. */
static inline bool events_take_edges(void)
{
    return events_queued < EVENTS_ROOM_FOR_EDGES;
}

/* Number an event and keep it while there is room. */
void event_tell(uint8_t kind, uint32_t pulse, uint32_t ticks);

/* The same for the beginning of a run: the events after it belong to `run_id`. */
void event_tell_began(uint32_t run_id, uint32_t ticks);

/* Events that are not kept. They get their numbers together, before the next event that is no pulse: so pulses stay
   neighbours and travel together, however many edges are dropped between them. */
void events_lose(uint16_t count);

/* Number of the next event that will be sent. */
uint32_t events_next_seq(void);

/* Write the next events into a message, as many as follow each other in one run. Its size; 0 when none waits. */
uint8_t events_take(struct events *message);
