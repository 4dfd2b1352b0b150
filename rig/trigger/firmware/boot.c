/* What outlives a reset. */
#include "boot.h"

#include <avr/eeprom.h>
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/wdt.h>

#include "wire.h"

#define KEPT __attribute__((section(".noinit"))) /* RAM that a reset leaves as it was */
#define HUNG 0x48554E47
#define WELL 0x57454C4C
#define NOT_TOLD 0xA5 /* in r2, which no flags of the chip can be */

/* A number with its complement: a write that was torn by a loss of power is found out. */
struct guarded { uint32_t number, complement; };

/* The first bytes are left alone: stray writes on a failing supply go there. */
static struct { uint8_t unused[16]; struct guarded boots[2], serial; } kept EEMEM;

uint32_t boot_count;
uint8_t boot_cause;
char boot_serial[8];

static uint8_t reset_flags KEPT, bootloader_flags KEPT; /* MCUSR as we found it; as Optiboot tells it in r2 */
static volatile uint32_t mark KEPT; /* WELL, or HUNG when the watchdog's first time-out has passed; else power was lost */

/* Before main. The watchdog is still on after a reset by it. r2 is used by nothing else (Makefile): when it holds flags
   after the next reset, they are the bootloader's. */
__attribute__((naked, used, section(".init3"))) void boot_early(void)
{
    asm volatile("sts %0, r2" : "=m"(bootloader_flags));
    asm volatile("mov r2, %0" : : "r"((uint8_t)NOT_TOLD));
    reset_flags = MCUSR;
    MCUSR = 0;
    wdt_disable();
}

static uint32_t number_in(const struct guarded *slot)
{
    struct guarded read;
    eeprom_read_block(&read, slot, sizeof read);
    return read.number == ~read.complement ? read.number : 0;
}

static void write_number(struct guarded *slot, uint32_t number)
{
    const struct guarded written = { number, ~number };
    eeprom_update_block(&written, slot, sizeof written);
}

/* The two slots take turns, so that the count before this one is whole while this one is written. */
static void count_boot(void)
{
    const uint32_t a = number_in(&kept.boots[0]), b = number_in(&kept.boots[1]);
    boot_count = (a > b ? a : b) + 1;
    write_number(&kept.boots[a > b], boot_count);
}

/* What a chip finds in its RAM when power comes is different for each chip, and partly each time. FNV-1a. */
static uint32_t random_number(void)
{
    extern const uint8_t __heap_start;
    uint32_t hash = 0x811C9DC5;
    for (const uint8_t *at = &__heap_start; at < (const uint8_t *)SP; at++) hash = (hash ^ *at) * 0x01000193;
    return hash ? hash : 1;
}

/* The chip has no serial number of its own: it is given one at its first boot. */
static void find_serial(void)
{
    uint32_t serial = number_in(&kept.serial);
    if (!serial) write_number(&kept.serial, serial = random_number());
    for (uint8_t i = 0; i < sizeof boot_serial; i++) {
        const uint8_t digit = serial >> 28;
        boot_serial[i] = digit < 10 ? '0' + digit : 'A' + digit - 10;
        serial <<= 4;
    }
}

static enum cause cause_of(uint8_t flags)
{
    if (flags & 1 << PORF) return POWER_ON;
    if (flags & 1 << BORF) return BROWN_OUT;
    if (flags & 1 << EXTRF) return RESET_LINE;
    return UNKNOWN;
}

/* Old bootloaders clear the flags and leave anything in r2. After a loss of power that may look like flags by chance, so
   only what cannot be wrong then is believed. */
static enum cause cause_by_bootloader(void)
{
    if (bootloader_flags >= 1 << 4) return UNKNOWN;
    return mark == WELL || bootloader_flags & 1 << PORF ? cause_of(bootloader_flags) : UNKNOWN;
}

/* Optiboot starts us by a reset of its own watchdog, so that WDRF in its flags says nothing; in flags that nobody
   cleared it means ours. */
static enum cause find_cause(void)
{
    if (mark == HUNG) return WATCHDOG;
    if (reset_flags == 1 << WDRF) return WATCHDOG;
    return reset_flags ? cause_of(reset_flags) : cause_by_bootloader();
}

void boot_begin(void)
{
    boot_cause = find_cause();
    mark = WELL;
    count_boot();
    find_serial();
}

/* The first time-out leaves a mark, the second resets. */
ISR(WDT_vect)
{
    mark = HUNG;
}

void boot_watch(void)
{
    wdt_enable(WDTO_1S);
    WDTCSR |= 1 << WDIE;
}

void boot_alive(void)
{
    wdt_reset();
    if (WDTCSR & 1 << WDIE) return;
    mark = WELL; /* the first time-out has passed, and main has come back */
    WDTCSR |= 1 << WDIE;
}
