/* The box's time: two timers, one for ticks and one for the single cycles within them. */
#include "clock.h"

#include <avr/interrupt.h>
#include <avr/io.h>
#include <util/atomic.h>
#include <util/delay_basic.h>

uint8_t tick_phase;


/* How far Timer0 is ahead at this moment: least at the beginning of a tick, up to 7 more later in it. */
static inline uint8_t cycles_ahead(void)
{
    uint8_t tick, cycle;
    asm volatile("lds %[tick], %[timer1]\n\t"
                 "in %[cycle], %[timer0]"
                 : [tick] "=&r"(tick), [cycle] "=r"(cycle)
                 : [timer1] "n"(_SFR_MEM_ADDR(TCNT1L)), [timer0] "I"(_SFR_IO_ADDR(TCNT0)));
    return cycle - 2 - tick * TICK_CYCLES; /* 2: the first instruction */
}

/* The prescaler of Timer1 runs since reset, so its phase is measured. Delays of all lengths meet every phase. */
static uint8_t measured_phase(void)
{
    uint8_t least = cycles_ahead();
    for (uint8_t delay = 1; delay <= 64; delay++) {
        const uint8_t ahead = cycles_ahead();
        if ((int8_t)(ahead - least) < 0) least = ahead;
        _delay_loop_1(delay);
    }
    return least;
}

void clock_begin(void)
{
    TCCR0B = 1 << CS00;
    TCNT1 = 0;
    TCCR1B = 1 << CS11 | 1 << ICES1;
    TIMSK1 = 1 << TOIE1;
    tick_phase = measured_phase();
}

/* In 24 cycles, because it may delay the interrupt of an edge, which comes early enough for 40. */
ISR(TIMER1_OVF_vect, ISR_NAKED)
{
    asm volatile("push r24\n\t"
                 "in r24, __SREG__\n\t"
                 "push r24\n\t"
                 "in r24, %[wraps]\n\t"
                 "inc r24\n\t"
                 "out %[wraps], r24\n\t"
                 "pop r24\n\t"
                 "out __SREG__, r24\n\t"
                 "pop r24\n\t"
                 "reti"
                 : : [wraps] "I"(_SFR_IO_ADDR(WRAPS)));
}

uint16_t ticks_low(void)
{
    uint16_t low;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) low = TCNT1;
    return low;
}

uint32_t ticks_now(void)
{
    static uint16_t high;
    uint16_t low;
    uint8_t wraps, flags;
    ATOMIC_BLOCK(ATOMIC_RESTORESTATE) {
        low = TCNT1;
        wraps = WRAPS;
        flags = TIFR1;
    }
    if (flags & 1 << TOV1 && low < 0x8000) wraps++; /* it has wrapped, and the interrupt is still to come */
    high += (uint8_t)(wraps - (uint8_t)high); /* less than 256 since the last call, or the watchdog has bitten */
    return (uint32_t)high << 16 | low;
}

uint32_t ticks_of(uint16_t low)
{
    const uint32_t now = ticks_now();
    return now - (uint16_t)((uint16_t)now - low);
}
