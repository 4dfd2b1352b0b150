/* What the host asks for, and the answers.

   An answer is noted when its request is obeyed and written when the line has room for it: so what it tells is fresh,
   and requests that come close together need no more memory than a few notes. */
#include "requests.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <util/atomic.h>

#include "boot.h"
#include "clock.h"
#include "events.h"
#include "inputs.h"
#include "link.h"
#include "plan.h"
#include "pulses.h"
#include "wire.h"

#define NOTES 4
#define PONG_TICKS 300 /* from writing a PONG to its first bit: time enough to seal it */

#define CAPABILITIES \
    (CAN_RECORD | CAN_WALK | EXACT_COUNT | SYNC_LEDS | TEST_MODES | HAS_TIMED_INPUT | QUIET_BOUND | BOOT_COUNTER)

static const char MODEL[] = "rig box 328P";

/* Events told a second in all, beside a few answers; measured in simavr, whose line is slower than the real one. */
#define EVENTS_PER_S_115200 1000
#define EVENTS_PER_S_250000 1500

static struct note { uint8_t type, request, refused, code; uint32_t number, ticks; } notes[NOTES];
static uint8_t first_note, note_count;

static bool is_greeted;
static uint32_t nonce; /* of HELLO */

static uint32_t run_id; /* that is sent or was sent last */
static uint8_t run_mode;
static uint16_t quiet_s;

static uint32_t heard_ticks; /* advanced by each second of quiet */
static uint16_t quiet_for_s;

/* ---- requests ---- */

/* A host that does not wait for answers loses the ones that find no room; it may repeat its requests. */
static void note(struct note answer)
{
    if (note_count == NOTES) return;
    notes[(first_note + note_count++) % NOTES] = answer;
}

static void refuse(uint8_t request, uint8_t refused, enum refusal code, uint32_t detail)
{
    note((struct note){ .type = ERROR, .request = request, .refused = refused, .code = code, .number = detail });
}

static void obey_hello(const struct hello *hello)
{
    if (hello->protocol != PROTOCOL) {
        refuse(hello->request, HELLO, WRONG_VERSION, PROTOCOL);
        return;
    }
    is_greeted = true;
    nonce = hello->nonce;
    note((struct note){ .type = IDENTITY, .request = hello->request });
}

static enum refusal refusal_of(const struct start *start, uint32_t *detail)
{
    *detail = 0;
    if (!is_greeted) return NO_HELLO;
    if (start->nonce != nonce) return WRONG_NONCE;
    if (run_id && start->run_id == run_id) return ACCEPTED;
    if (run_is_told_over) return plan_refusal(start, detail);
    *detail = run_id;
    return BUSY;
}

static void begin_run(const struct start *start)
{
    run_id = start->run_id;
    run_mode = start->mode;
    quiet_s = start->quiet_s;
    pulses_begin(start);
}

static void obey_start(const struct start *start)
{
    uint32_t detail;
    const enum refusal why = refusal_of(start, &detail);
    if (why) {
        refuse(start->request, START, why, detail);
        return;
    }
    if (start->run_id != run_id) begin_run(start);
    note((struct note){ .type = STARTED, .request = start->request, .number = run_id, .ticks = run_began_ticks });
}

static void obey_stop(uint8_t request)
{
    if (!run_is_told_over) stop_asked = true;
    note((struct note){ .type = STOPPING, .request = request, .number = run_is_told_over ? 0 : run_id });
}

static bool obey(const void *message, uint8_t length, uint32_t ticks)
{
    const struct plain_request *const plain = message;
    switch (plain->type) {
    case HELLO:
        if (length != sizeof(struct hello)) return false;
        obey_hello(message);
        return true;
    case START:
        if (length != sizeof(struct start)) return false;
        obey_start(message);
        return true;
    case STOP:
        if (length != sizeof *plain) return false;
        obey_stop(plain->request);
        return true;
    case PING:
        if (length != sizeof *plain) return false;
        note((struct note){ .type = PONG, .request = plain->request, .ticks = ticks });
        return true;
    case ASK_STATUS:
        if (length != sizeof *plain) return false;
        note((struct note){ .type = STATUS, .request = plain->request });
        return true;
    default:
        return false;
    }
}

/* A host that stays quiet for longer than the run allows has asked to stop. */
static void look_at_quiet(void)
{
    static uint8_t looks;
    if (++looks % 16) return; /* often enough */
    if (ticks_now() - heard_ticks < TICK_HZ) return;
    heard_ticks += TICK_HZ;
    if (quiet_for_s < UINT16_MAX) quiet_for_s++;
    if (quiet_s && quiet_for_s >= quiet_s && !run_is_told_over) stop_asked = true;
}

void requests_look(void)
{
    const uint8_t length = link_read();
    look_at_quiet();
    if (!length) return;
    if (obey(link_message_read, length, link_came_ticks)) {
        heard_ticks = link_came_ticks;
        quiet_for_s = 0;
    } else {
        link_bad_frames++;
    }
}

/* ---- answers ---- */

static void write_identity(struct identity *identity, const struct note *note)
{
    *identity = (struct identity){
        .type = IDENTITY, .request = note->request, .protocol = PROTOCOL, .nonce = nonce,
        .major = 1, .capabilities = CAPABILITIES, .tick_hz = TICK_HZ, .ticks = ticks_now(), .boots = boot_count,
        .run_id = run_is_told_over ? 0 : run_id, .next_seq = events_next_seq(), .baud = link_baud,
        .events_per_s = link_baud == 115200 ? EVENTS_PER_S_115200 : EVENTS_PER_S_250000,
        .lines = LINES, .inputs = INPUTS,
    };
    memcpy(identity->serial, boot_serial, sizeof boot_serial);
    memcpy(identity->model, MODEL, sizeof MODEL - 1);
}

static enum state state_now(void)
{
    if (run_is_told_over) return STATE_IDLE;
    return stop_asked ? STATE_STOPPING : STATE_RUNNING;
}

static void write_status(struct status *status, const struct note *note)
{
    *status = (struct status){
        .type = STATUS, .request = note->request, .state = state_now(), .run_id = run_id, .mode = run_mode,
        .ticks = ticks_now(), .pulses_sent = pulses_told, .ended_ticks = run_ended_ticks, .boots = boot_count,
        .next_seq = events_next_seq(), .queued = events_queued, .deepest_queue = events_deepest,
        .dropped = events_dropped, .bad_frames = link_bad_frames, .cause = boot_cause,
    };
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) status->late = edges_late;
    memcpy(status->input_rises, input_rises, sizeof input_rises);
}

static uint8_t write_answer(void *message, const struct note *note)
{
    switch (note->type) {
    case IDENTITY:
        write_identity(message, note);
        return sizeof(struct identity);
    case STATUS:
        write_status(message, note);
        return sizeof(struct status);
    case STARTED:
        *(struct started *)message = (struct started){ STARTED, note->request, note->number, note->ticks };
        return sizeof(struct started);
    case STOPPING:
        *(struct stopping *)message = (struct stopping){ STOPPING, note->request, note->number };
        return sizeof(struct stopping);
    case BOOT:
        *(struct boot *)message = (struct boot){ BOOT, boot_count, boot_cause };
        return sizeof(struct boot);
    default:
        *(struct error *)message = (struct error){ ERROR, note->request, note->refused, note->code, note->number };
        return sizeof(struct error);
    }
}

/* It says when it leaves, so it leaves then, on a line that is still. */
static void send_pong(void *message, const struct note *note)
{
    const uint32_t leaves_ticks = ticks_now() + PONG_TICKS;
    *(struct pong *)message = (struct pong){ PONG, note->request, note->ticks, leaves_ticks };
    link_send_at(sizeof(struct pong), leaves_ticks);
}

/* Whether it could be sent: a PONG has to wait until the line is still. */
static bool send_answer(void *message)
{
    const struct note *const note = &notes[first_note];
    if (note->type == PONG && !link_is_still()) return false;
    if (note->type == PONG) send_pong(message, note);
    else link_send(write_answer(message, note));
    first_note = (first_note + 1) % NOTES;
    note_count--;
    return true;
}

/* After an answer events have their turn, so that a flood of requests cannot starve them. */
void answers_look(void)
{
    static bool events_are_next;
    void *const message = link_room();
    if (!message) return;
    if (note_count && !(events_are_next && events_queued)) {
        events_are_next = send_answer(message);
    } else if (events_queued) {
        link_send(events_take(message));
        events_are_next = false;
    }
}

void answers_begin(void)
{
    note((struct note){ .type = BOOT });
}
