/* What outlives a reset: the boot counter, the serial number, and why the box was reset. */
#pragma once

#include <stdint.h>

extern uint32_t boot_count;
extern uint8_t boot_cause;
extern char boot_serial[8]; /* ASCII */

/* Count this boot and find out why it came. Takes up to 0.1 s, before anything else begins. */
void boot_begin(void);

/* From here on the watchdog bites when boot_alive() is not called for one to two seconds. */
void boot_watch(void);
void boot_alive(void);
