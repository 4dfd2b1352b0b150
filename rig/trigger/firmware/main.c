/* Firmware of the trigger box: an Arduino Uno R3 or Nano (ATmega328P, 16 MHz) that triggers three cameras.

       START --> plan --> pulses (interrupt) --> lines, LEDs          every edge on its exact cycle
                             v
       inputs (polled) --> events --> link (polled) --> host          everything else, in one loop

   docs/reference/wire-format.md says what it speaks, docs/reference/trigger-box.md what was measured of it. */
#include <avr/interrupt.h>

#include "attend.h"
#include "boot.h"
#include "clock.h"
#include "pins.h"
#include "pulses.h"
#include "requests.h"

int main(void)
{
    pins_begin();
    boot_begin();
    clock_begin();
    link_begin();
    inputs_begin();
    answers_begin();
    boot_watch();
    sei();
    for (;;) {
        attend();
        requests_look();
        attend();
        pulses_look();
        attend();
        answers_look();
        attend();
        link_look();
        boot_alive();
    }
}
