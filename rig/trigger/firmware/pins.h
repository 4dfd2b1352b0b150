/* Which pin does what; D and A numbers are those printed on an Arduino Uno R3 or Nano. */
#pragma once

#include <avr/io.h>

/* Trigger lines 0 to 2 on D4 to D6: one port, so that one instruction moves them all and there is no skew. */
#define LINES_PORT PORTD
#define LINES_DDR DDRD
#define LINE_BIT(line) (0x10 << (line))
#define LINES_MASK 0x70
#define LINES_LOW 0x01 /* no line; PD0, the serial input, keeps its pull-up */

/* Sync LEDs. A must be the pin of OC1B, which drives it in the test modes. */
#define LEDS_PORT PORTB
#define LEDS_DDR DDRB
#define LED_A 0x04     /* D10 */
#define LED_B1 0x02    /* D9 */
#define LED_B2 0x08    /* D11 */
#define LEDS_DARK 0x11 /* no LED; jumper and timed input keep their pull-ups */

/* Inputs 0 to 4 on A0 to A4, looked at by the main loop; input 5 on D8, stamped by the capture unit of Timer1. */
#define POLLED_INPUTS_PIN PINC
#define POLLED_INPUTS_PORT PORTC
#define POLLED_INPUTS 5
#define POLLED_INPUTS_MASK 0x1F
#define TIMED_INPUT 5
#define TIMED_INPUT_IS_HIGH() (PINB & 0x01)

/* D12 wired to GND at boot: 250000 baud. */
#define FAST_JUMPER_IS_SET() (!(PINB & 0x10))

static inline void pins_begin(void)
{
    LINES_PORT = LINES_LOW;
    LEDS_PORT = LEDS_DARK;
    POLLED_INPUTS_PORT = POLLED_INPUTS_MASK; /* pull-ups: an input that nothing is wired to stays still */
    LINES_DDR = LINES_MASK | 0x02; /* PD1: serial output */
    LEDS_DDR = LED_A | LED_B1 | LED_B2;
}
