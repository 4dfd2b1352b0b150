/* Runs the firmware of the trigger box on a simulated ATmega328P at 16 MHz, with its serial line on a pseudo terminal.

   A test helper. It links simavr, which is under the GPL version 3, and is never shipped in the package.

       runner FIRMWARE.hex [--speed real|max] [--eeprom FILE] [--trace FILE] [--clock FILE] [--wires SOCKET]
                           [--inputs none|busy|short|noise|loop] [--seed N] [--jumper] [--bootloader R2]

   It prints `port PATH`, then obeys the lines on its standard input and answers each with `done CYCLE [...]`:

       input N LEVEL                      input N of the box gets a level
       reset WATCHDOG|LINE|BROWNOUT       WATCHDOG: main stands still until it bites; the others at once
       stall CYCLES                       at the next edge the processor stands still for so long, the timers do not
       away CYCLES                        main stands still for so long, interrupts and everything else go on
       calm                               the inputs change no more by themselves
       unplug                             the terminal closes, the box goes on
       report                             bytes lost at reception, bytes of RAM never touched, CPU time in us
       at RISES COMMAND                   obeys any of these once HS has risen so often since power came; one may wait
       sync                               nothing; every command writes the trace out before it is answered
       quit                               so does the end of the standard input

   --clock: two u64 in a mapped file, the cycle that was reached, and the cycle that must not be passed, which the tests
   move on; so no test can be late.  --trace: records of 16 bytes, u64 cycle, u8 pin, u8 value; pins are numbered as on
   the board (D4 is 4, A0 is 14), 0 is a byte to the box and 1 a byte from it.  --wires: a Unix socket, out `P ns lines`
   for trigger lines that rise and `L ns leds` for LEDs that change, in `I number level`; ns is CLOCK_MONOTONIC.
   --bootloader: before each start of the firmware MCUSR is cleared, as bootloaders do, and r2 holds this; -1: what was
   there.

   simavr 1.6 is put right where it differs from the chip: compare matches of Timer1, which it loses when a compare
   register is written in the very instruction; the pin OC1B; flags cleared by writing TIFR1; the TEMP register of 16
   bit accesses; 10 bits a byte, not 11; a receiver that holds three bytes, not 64; what a reset leaves behind. Not
   modelled: a second byte that waits in the transmitter (the line is a little slower than the real one), the
   synchroniser of ICP1, the time that EEPROM takes, the error of the baud rate, the time that a bootloader takes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <simavr/avr_eeprom.h>
#include <simavr/avr_ioport.h>
#include <simavr/avr_timer.h>
#include <simavr/avr_uart.h>
#include <simavr/sim_avr.h>
#include <simavr/sim_hex.h>
#include <simavr/sim_interrupts.h>
#include <simavr/sim_io.h>

enum { /* addresses of registers */
  R2 = 2, PINB = 0x23, DDRB, PORTB, PINC, DDRC, PORTC, PIND, DDRD, PORTD, TIFR1 = 0x36, MCUSR = 0x54, TCCR1A = 0x80, TCCR1B,
  TCCR1C, TCNT1L = 0x84, TCNT1H, ICR1L, ICR1H, OCR1AL, OCR1AH, OCR1BL, OCR1BH, UCSR0A = 0xC0, UBRR0L = 0xC4, UBRR0H,
};
#define CYCLES_HZ 16000000ull
#define TICK 8                   /* cycles of Timer1's tick */
#define WRAP (65536ull * TICK)
#define QUANTUM 16000            /* cycles between two looks at the world: 1 ms */
#define RECEIVER_BYTES 3         /* two in the buffer and one in the shift register */
#define GENERATORS_AFTER 8000000 /* cycles after a reset: the host has said HELLO by then */
#define APART 8000       /* cycles between two levels of an input from the wires: 0.5 ms */
#define RAM 0x100
#define RAM_BYTES 2048
#define RAM_FILL 0xA5
#define INPUTS 6
#define LINES 3

static avr_t *avr;
static avr_timer_t *timer1;
static avr_uart_t *uart;
static avr_eeprom_t *eeprom;

static void die(const char *what) {
  perror(what);
  exit(2);
}

/* ---- what is told outside -------------------------------------------------------------------------------------- */

static FILE *trace;
static volatile uint64_t *shared;                 /* cycle reached, cycle not to be passed */
static int wires_listener = -1, wires = -1;
static int64_t started_ns;                        /* host time of cycle 0 */
enum { BYTE_IN = 0, BYTE_OUT = 1 };

static void record(uint64_t cycle, uint8_t pin, uint8_t value) {
  struct { uint64_t cycle; uint8_t pin, value, unused[6]; } row = { cycle, pin, value, { 0 } };
  if (trace) fwrite(&row, sizeof row, 1, trace);
}

static int64_t host_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void tell_wires(char kind, uint64_t cycle, unsigned mask) {
  char line[64];
  if (wires < 0) return;
  int size = snprintf(line, sizeof line, "%c %lld %u\n", kind, (long long)(started_ns + cycle * 125 / 2), mask);
  if (send(wires, line, size, MSG_DONTWAIT | MSG_NOSIGNAL) != size) {
    close(wires);
    wires = -1;
  }
}

/* ---- registers ------------------------------------------------------------------------------------------------- */

static struct { avr_io_write_t write; void *param; } before[MAX_IOs];  /* simavr's own handlers */

static void hook_write(avr_io_addr_t address, avr_io_write_t handler) {
  int io = AVR_DATA_TO_IO(address);
  before[io].write = avr->io[io].w.c;
  before[io].param = avr->io[io].w.param;
  avr->io[io].w.c = handler;
}

static void pass_on(avr_io_addr_t address, uint8_t value) {
  int io = AVR_DATA_TO_IO(address);
  if (before[io].write) before[io].write(avr, address, value, before[io].param);
  else avr->data[address] = value;
}

static avr_io_t *module(const char *kind, avr_io_t *after) {
  for (avr_io_t *io = after ? after->next : avr->io_port; io; io = io->next)
    if (!strcmp(io->kind, kind)) return io;
  fprintf(stderr, "this simavr has no %s\n", kind);
  exit(2);
}

/* ---- inputs ---------------------------------------------------------------------------------------------------- */

/* busy: photodiode, exposures, marker; short: marker pulses of 250 us; noise: 20 kHz at all; loop: D4 wired to D8 */
enum inputs { NONE, BUSY, SHORT, NOISE, LOOP };
static const char *const INPUTS_NAMED[] = { "none", "busy", "short", "noise", "loop" };
enum { MARKER = 3, PHOTODIODE = 4, TIMED = 5 };
static enum inputs generator;
static int jumper;
static struct { char port; uint8_t bit, pin, level; avr_irq_t *irq; } inputs[INPUTS] = {
  { 'C', 0, 14, 0, NULL }, { 'C', 1, 15, 0, NULL }, { 'C', 2, 16, 0, NULL }, { 'C', 3, 17, 0, NULL },
  { 'C', 4, 18, 0, NULL }, { 'B', 0, 8, 0, NULL },
};
static uint32_t random_state;

static uint32_t below(uint32_t limit) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 17;
  random_state ^= random_state << 5;
  return random_state % limit;
}

/* A driven pin is stronger than the chip's pull-up; D12 is driven by the jumper only. */
static void drive(char port) {
  avr_ioport_external_t pins = { .name = port, .mask = port == 'B' && jumper ? 1 << 4 : 0 };
  for (int i = 0; i < INPUTS; i++)
    if (inputs[i].port == port) {
      pins.mask |= 1 << inputs[i].bit;
      pins.value |= inputs[i].level << inputs[i].bit;
    }
  avr_ioctl(avr, AVR_IOCTL_IOPORT_SET_EXTERNAL(port), &pins);
}

static void set_input(int number, int level) {
  if (inputs[number].level == level) return;
  inputs[number].level = level;
  record(avr->cycle, inputs[number].pin, level);
  drive(inputs[number].port);
  avr_raise_irq(inputs[number].irq, level);
}

/* Levels from the wires have no time of their own. When a busy machine hands over several at once, they are kept so far
   apart that no pulse becomes too short to be seen: late, but not lost. */
static struct { uint8_t levels[256], first, count; } queued[INPUTS];

static avr_cycle_count_t take_queued_level(avr_t *a, avr_cycle_count_t when, void *number) {
  (void)a;
  long i = (long)number;
  if (!queued[i].count) return 0;
  queued[i].count--;
  set_input(i, queued[i].levels[queued[i].first++]);
  return when + APART;
}

static void queue_level(long number, int level) {
  if (queued[number].count == 255) return;
  queued[number].levels[(uint8_t)(queued[number].first + queued[number].count++)] = level;
  if (!avr_cycle_timer_status(avr, take_queued_level, (void *)number))
    avr_cycle_timer_register(avr, 1, take_queued_level, (void *)number);
}

static avr_cycle_count_t end_exposure(avr_t *a, avr_cycle_count_t when, void *number) {
  (void)a, (void)when;
  set_input((long)number, 0);
  return 0;
}

static avr_cycle_count_t begin_exposure(avr_t *a, avr_cycle_count_t when, void *number) {
  (void)when;
  set_input((long)number, 1);
  avr_cycle_timer_register(a, ((long)number ? 128000 : 64000) + below(4000), end_exposure, number);  /* 8 ms, 4 ms */
  return 0;
}

static int has_exposures(void) {
  return generator == BUSY || generator == SHORT;
}

static avr_cycle_count_t photodiode(avr_t *a, avr_cycle_count_t when, void *unused) {
  (void)a, (void)unused;
  if (!has_exposures()) return 0;
  set_input(TIMED, !inputs[TIMED].level);
  set_input(PHOTODIODE, inputs[TIMED].level);
  return when + 266667 + below(373333);  /* 25 to 60 changes a second */
}

static avr_cycle_count_t marker(avr_t *a, avr_cycle_count_t when, void *unused) {
  (void)a, (void)unused;
  if (!has_exposures()) return 0;
  set_input(MARKER, !inputs[MARKER].level);
  if (generator == SHORT) return when + (inputs[MARKER].level ? 4000 : 80000 + below(320000));
  return when + 2000000 + below(8000000);
}

static avr_cycle_count_t noise(avr_t *a, avr_cycle_count_t when, void *unused) {
  (void)a, (void)unused;
  if (generator != NOISE) return 0;
  for (int i = 0; i < INPUTS; i++) set_input(i, !inputs[i].level);
  return when + 400;  /* 20 kHz */
}

static avr_cycle_count_t wire_d4_to_d8(avr_t *a, avr_cycle_count_t when, void *level) {
  (void)a, (void)when;
  set_input(TIMED, (long)level);
  return 0;
}

static void start_generators(void) {
  if (generator == NOISE) avr_cycle_timer_register(avr, GENERATORS_AFTER, noise, NULL);
  if (!has_exposures()) return;
  avr_cycle_timer_register(avr, GENERATORS_AFTER, photodiode, NULL);
  avr_cycle_timer_register(avr, GENERATORS_AFTER, marker, NULL);
}

static void line_rose(long line) {
  if (has_exposures() && !inputs[line].level)
    avr_cycle_timer_register(avr, 280 + below(2000), begin_exposure, (void *)line);
}

/* ---- outputs --------------------------------------------------------------------------------------------------- */

static unsigned long hs_rises;
static uint8_t lines_now, leds_now, oc1b;  /* oc1b: the flip-flop behind the pin */
enum { LED_A = 1, LED_B1 = 2, LED_B2 = 4 };

static void tell_pins(uint64_t cycle, uint8_t changed, uint8_t now, const uint8_t *pins) {
  for (int i = 0; i < LINES; i++)
    if (changed >> i & 1) record(cycle, pins[i], now >> i & 1);
}

/* The levels of all output pins, and what changed at `cycle`. */
static void look_at_outputs(uint64_t cycle) {
  static const uint8_t LINE_PINS[] = { 4, 5, 6 }, LED_PINS[] = { 10, 9, 11 };
  uint8_t portb = avr->data[PORTB] & avr->data[DDRB];
  uint8_t a = avr->data[TCCR1A] & 0x30 ? oc1b && avr->data[DDRB] & 4 : portb >> 2 & 1;
  uint8_t leds = (a ? LED_A : 0) | (portb & 2 ? LED_B1 : 0) | (portb & 8 ? LED_B2 : 0);
  uint8_t lines = (avr->data[PORTD] & avr->data[DDRD]) >> 4 & 7, rose = lines & ~lines_now;
  tell_pins(cycle, lines ^ lines_now, lines, LINE_PINS);
  tell_pins(cycle, leds ^ leds_now, leds, LED_PINS);
  hs_rises += rose & 1;
  if (rose) tell_wires('P', cycle, rose);
  if (leds != leds_now) tell_wires('L', cycle, leds);
  if (generator == LOOP && (lines ^ lines_now) & 1)
    avr_cycle_timer_register(avr, 1, wire_d4_to_d8, (void *)(lines & 1L));
  lines_now = lines, leds_now = leds;
  for (long line = 0; line < LINES; line++)
    if (rose >> line & 1) line_rose(line);
}

static void port_written(avr_t *a, avr_io_addr_t address, uint8_t value, void *unused) {
  (void)unused;
  pass_on(address, value);
  look_at_outputs(a->cycle + 1);  /* `out` takes one cycle */
}

/* ---- Timer1 ---------------------------------------------------------------------------------------------------- */

static struct compare { avr_io_addr_t low; avr_int_vector_t *vector; } compares[2];
static uint8_t temp;            /* high byte in transit of a 16 bit access */
static uint64_t stall_cycles;   /* to be lost at the next match of OCR1A */

static uint16_t tcnt1(void) {
  return (avr->cycle - timer1->tov_base) / TICK;
}

static void drive_oc1b(uint64_t cycle) {
  uint8_t mode = avr->data[TCCR1A] >> 4 & 3;  /* 1 toggle, 2 clear, 3 set */
  if (mode) oc1b = mode == 1 ? !oc1b : mode == 3;
  look_at_outputs(cycle);
}

static avr_cycle_count_t match(avr_t *a, avr_cycle_count_t when, void *param) {
  struct compare *compare = param;
  if (compare == &compares[1]) drive_oc1b(when);
  else a->cycle += stall_cycles, stall_cycles = 0;
  avr_raise_interrupt(a, compare->vector);
  return when + WRAP;
}

/* A match sets its flag in the tick after the timer has reached the register. */
static void arm(struct compare *compare) {
  uint16_t ticks = avr->data[compare->low] | avr->data[compare->low + 1] << 8;
  uint64_t phase = (avr->cycle - timer1->tov_base) % WRAP, due = (ticks + 1ull) * TICK % WRAP;
  if (timer1->cs_div_value != TICK) return;
  avr_cycle_timer_register(avr, due > phase ? due - phase : due + WRAP - phase, match, compare);
}

static void high_written(avr_t *a, avr_io_addr_t address, uint8_t value, void *unused) {
  (void)a, (void)address, (void)unused;
  temp = value;
}

static void low_written(avr_t *a, avr_io_addr_t address, uint8_t value, void *unused) {
  (void)unused;
  a->data[address] = value;
  a->data[address + 1] = temp;
  arm(&compares[address == OCR1BL]);
}

static uint8_t low_read(avr_t *a, avr_io_addr_t address, void *unused) {
  (void)unused;
  uint16_t value = address == TCNT1L ? tcnt1() : a->data[ICR1L] | a->data[ICR1H] << 8;
  temp = value >> 8;
  return value;
}

static uint8_t tcnt1_high_read(avr_t *a, avr_io_addr_t address, void *unused) {
  (void)a, (void)address, (void)unused;
  return temp;
}

static void control_written(avr_t *a, avr_io_addr_t address, uint8_t value, void *unused) {
  (void)unused;
  uint8_t clock = a->data[TCCR1B] & 7;
  pass_on(address, value);
  if ((a->data[TCCR1B] & 7) != clock) arm(&compares[0]), arm(&compares[1]);
  if (address == TCCR1C && value & 0x40) drive_oc1b(a->cycle + 2);  /* forced match; `sts` takes two cycles */
  look_at_outputs(a->cycle + 2);
}

static void flags_written(avr_t *a, avr_io_addr_t address, uint8_t value, void *unused) {
  (void)unused;
  uint8_t were = a->data[address];
  for (int i = 0; i < a->interrupts.vector_count; i++) {
    avr_int_vector_t *vector = a->interrupts.vector[i];
    if (vector->raised.reg == address && value & were & 1 << vector->raised.bit) avr_clear_interrupt(a, vector);
  }
}

static void correct_timer1(void) {
  for (int i = 0; i < 2; i++) {
    compares[i] = (struct compare){ timer1->comp[i].r_ocr, &timer1->comp[i].interrupt };
    timer1->comp[i].r_ocr = 0;  /* from here on simavr leaves it alone */
    hook_write(compares[i].low, low_written);
    hook_write(compares[i].low + 1, high_written);
  }
  hook_write(TCCR1A, control_written);
  hook_write(TCCR1B, control_written);
  hook_write(TCCR1C, control_written);
  hook_write(TIFR1, flags_written);
  avr->io[AVR_DATA_TO_IO(TCNT1L)].r.c = avr->io[AVR_DATA_TO_IO(ICR1L)].r.c = low_read;
  avr->io[AVR_DATA_TO_IO(TCNT1H)].r.c = avr->io[AVR_DATA_TO_IO(ICR1H)].r.c = tcnt1_high_read;
}

/* ---- serial line ----------------------------------------------------------------------------------------------- */

static int port = -1, port_far = -1;
static uint8_t arrived[4096], leaving[4096];  /* from the host, to the host */
static size_t arrived_count, arrived_taken, leaving_count;
static unsigned long overruns;

static unsigned byte_cycles(void) {
  unsigned divider = (avr->data[UBRR0L] | (avr->data[UBRR0H] & 15) << 8) + 1;
  return 10 * divider * (avr->data[UCSR0A] & 2 ? 8 : 16);
}

static void flush_port(void) {
  ssize_t written = port < 0 ? (ssize_t)leaving_count : write(port, leaving, leaving_count);
  if (written <= 0) return;
  memmove(leaving, leaving + written, leaving_count - written);
  leaving_count -= written;
}

static void byte_left(avr_irq_t *irq, uint32_t value, void *unused) {
  (void)irq, (void)unused;
  uart->cycles_per_byte = byte_cycles();
  record(avr->cycle, BYTE_OUT, value);
  leaving[leaving_count++] = value;
}

static avr_cycle_count_t feed(avr_t *a, avr_cycle_count_t when, void *unused) {
  (void)unused;
  if (arrived_taken == arrived_count) return 0;
  uint8_t value = arrived[arrived_taken++];
  uart->cycles_per_byte = byte_cycles();
  record(a->cycle, BYTE_IN, value);
  if (((uart->input.write - uart->input.read) & (uart_fifo_fifo_size - 1)) >= RECEIVER_BYTES) overruns++;
  else avr_raise_irq(uart->io.irq + UART_IRQ_INPUT, value);
  return when + byte_cycles();
}

static void start_feeding(void) {
  if (arrived_taken < arrived_count && !avr_cycle_timer_status(avr, feed, NULL))
    avr_cycle_timer_register(avr, 1, feed, NULL);
}

static void fetch_from_port(void) {
  ssize_t got = read(port, arrived, sizeof arrived);
  if (got <= 0) return;
  arrived_count = got;
  arrived_taken = 0;
  start_feeding();
}

static void open_port(void) {
  struct termios raw = { 0 };
  cfmakeraw(&raw);
  if (openpty(&port, &port_far, NULL, &raw, NULL)) die("openpty");  /* the far end stays open between two users */
  fcntl(port, F_SETFL, O_NONBLOCK);
  printf("port %s\n", ptsname(port));
  fflush(stdout);
}

static void unplug(void) {
  close(port);
  close(port_far);
  port = -1;
  leaving_count = arrived_count = arrived_taken = 0;
}

/* ---- a main that is away --------------------------------------------------------------------------------------- */

/* Main goes round this instruction, a jump to itself at the end of the flash, and then on from where it was. */
#define ROUND_AND_ROUND 0xCFFF
#define FOR_EVER (1ull << 62)
static uint64_t away_cycles, away_until;  /* still to begin; that goes on */
static avr_flashaddr_t back_to;

static void look_at_main(void) {
  if (avr->interrupts.running_ptr || !avr->sreg[S_I]) return;
  if (away_cycles) {
    away_until = avr->cycle + away_cycles;
    away_cycles = 0;
    back_to = avr->pc;
    avr->pc = avr->flashend - 1;
  } else if (away_until && avr->cycle >= away_until) {
    away_until = 0;
    avr->pc = back_to;
  }
}

/* ---- resets ---------------------------------------------------------------------------------------------------- */

static int bootloader = -2;  /* what it leaves in r2; -1: what was there; -2: there is none */
static int was_reset;
static void (*core_reset)(avr_t *);

static void note_reset(avr_t *a) {
  if (core_reset) core_reset(a);
  was_reset = 1;
}

static void run_bootloader(void) {
  if (bootloader == -2) return;
  avr->data[MCUSR] = 0;
  if (bootloader >= 0) avr->data[R2] = bootloader;
}

/* A reset of simavr drops every timer of ours, and forgets the levels at the pins. */
static void recover_from_reset(void) {
  was_reset = 0;
  away_cycles = away_until = 0;
  run_bootloader();
  avr->run_cycle_limit = 1000;
  oc1b = 0;
  stall_cycles = 0;
  look_at_outputs(avr->cycle);
  for (int i = 0; i < INPUTS; i++) {
    avr_irq_set_flags(inputs[i].irq, avr_irq_get_flags(inputs[i].irq) | IRQ_FLAG_INIT);
    avr_raise_irq(inputs[i].irq, inputs[i].level);
  }
  for (long i = 0; i < INPUTS; i++)
    if (queued[i].count) avr_cycle_timer_register(avr, APART, take_queued_level, (void *)i);
  for (long line = 0; line < LINES; line++)
    if (has_exposures()) set_input(line, 0);
  start_generators();
  start_feeding();
}

static void reset(uint8_t cause) {
  avr_reset(avr);
  avr->data[MCUSR] |= cause;
  recover_from_reset();
}

/* ---- commands -------------------------------------------------------------------------------------------------- */

static int quit;

static int ram_never_touched(void) {
  int longest = 0, run = 0;
  for (int i = RAM; i < RAM + RAM_BYTES; i++) {
    run = avr->data[i] == RAM_FILL ? run + 1 : 0;
    if (run > longest) longest = run;
  }
  return longest;
}

static void report(char *answer, size_t size) {
  struct timespec cpu;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
  snprintf(answer, size, " %lu %d %lld", overruns, ram_never_touched(),
           cpu.tv_sec * 1000000ll + cpu.tv_nsec / 1000);
}

/* A command for a moment of the run: from outside none can be given to the cycle, or on a busy machine to the pulse. */
static struct { unsigned long rises; char command[32]; } later;

/* Does what a command says, and writes down what it asks for. */
static void act(const char *line, char *answer, size_t size) {
  unsigned long rises;
  int number, level;
  if (sscanf(line, "input %d %d", &number, &level) == 2 && number >= 0 && number < INPUTS) set_input(number, !!level);
  else if (sscanf(line, "stall %d", &number) == 1) stall_cycles = number;
  else if (sscanf(line, "away %d", &number) == 1) away_cycles = number;
  else if (!strcmp(line, "reset WATCHDOG")) away_cycles = FOR_EVER;
  else if (!strcmp(line, "reset LINE")) reset(2);
  else if (!strcmp(line, "reset BROWNOUT")) reset(4);
  else if (!strcmp(line, "calm")) generator = NONE;
  else if (!strcmp(line, "unplug")) unplug();
  else if (!strcmp(line, "report")) report(answer, size);
  else if (sscanf(line, "at %lu %31[^\n]", &rises, later.command) == 2) later.rises = rises;
  else if (!strcmp(line, "quit")) quit = 1;
  else if (strcmp(line, "sync")) snprintf(answer, size, " not understood");
}

static void act_later(void) {
  char answer[80] = "";
  later.rises = 0;
  act(later.command, answer, sizeof answer);
  if (!*answer) return;
  fprintf(stderr, "at a rise: %s:%s\n", later.command, answer);
  exit(2);
}

static void obey(const char *line) {
  char answer[80] = "";
  act(line, answer, sizeof answer);
  if (trace) fflush(trace);
  printf("done %llu%s\n", (unsigned long long)avr->cycle, answer);
  fflush(stdout);
}

/* Hands every whole line that waits at `fd` on; returns 0 at its end. */
static int read_lines(int fd, char *text, size_t size, size_t *used, void (*take)(const char *)) {
  ssize_t got = read(fd, text + *used, size - 1 - *used);
  if (got <= 0) return 0;
  text[*used += got] = 0;
  char *line = text, *end;
  while ((end = strchr(line, '\n'))) {
    *end = 0;
    take(line);
    line = end + 1;
  }
  *used -= line - text;
  memmove(text, line, *used);
  return 1;
}

static void read_commands(void) {
  static char text[4096];
  static size_t used;
  if (!read_lines(STDIN_FILENO, text, sizeof text, &used, obey)) quit = 1;
}

static void take_wire(const char *line) {
  int number, level;
  if (sscanf(line, "I %d %d", &number, &level) == 2 && number >= 0 && number < INPUTS) queue_level(number, !!level);
}

static void read_wires(void) {
  static char text[4096];
  static size_t used;
  if (read_lines(wires, text, sizeof text, &used, take_wire)) return;
  close(wires);
  wires = -1;
  used = 0;
}

/* ---- time ------------------------------------------------------------------------------------------------------ */

static int is_paced;

static int may_run(void) {
  return !leaving_count && (!shared || avr->cycle < shared[1]);
}

static void run_to(uint64_t cycle) {
  if (shared && cycle > shared[1]) cycle = shared[1];
  while (avr->cycle < cycle && leaving_count < sizeof leaving - 256) {
    int state = avr_run(avr);
    if (was_reset) recover_from_reset();
    if (later.rises && hs_rises >= later.rises) act_later();
    if (away_cycles | away_until) look_at_main();
    if (state == cpu_Done || state == cpu_Crashed) {
      fprintf(stderr, "the firmware crashed at cycle %llu, pc %04x\n", (unsigned long long)avr->cycle, avr->pc);
      exit(3);
    }
  }
  if (shared) shared[0] = avr->cycle;
}

/* Paced, the simulation follows the host's clock; a delay is caught up, never forgotten. */
static void run_on(void) {
  uint64_t due = avr->cycle + QUANTUM;
  if (is_paced) {
    uint64_t now = (host_ns() - started_ns) * 2 / 125, most = avr->cycle + 20 * QUANTUM;
    due = now < most ? now : most;
  }
  if (may_run()) run_to(due);
  flush_port();
}

static void look_around(void) {
  int64_t wait_ns = is_paced || !may_run() ? 250000 : 0;
  struct timespec timeout = { 0, wait_ns };
  struct pollfd fds[] = {
    { STDIN_FILENO, POLLIN, 0 },
    { port, (arrived_taken == arrived_count ? POLLIN : 0) | (leaving_count ? POLLOUT : 0), 0 },
    { wires_listener, POLLIN, 0 },
    { wires, POLLIN, 0 },
  };
  ppoll(fds, 4, &timeout, NULL);
  run_on();
  if (fds[0].revents) read_commands();
  if (fds[1].revents & POLLIN && port >= 0) fetch_from_port();
  if (fds[3].revents && wires >= 0) read_wires();
  if (fds[2].revents) wires = accept4(wires_listener, NULL, NULL, SOCK_CLOEXEC);
}

/* ---- set-up ---------------------------------------------------------------------------------------------------- */

static void *map_file(const char *path, size_t size, uint8_t fill) {
  int fd = open(path, O_RDWR | O_CREAT, 0600);
  if (fd < 0) die(path);
  off_t had = lseek(fd, 0, SEEK_END);
  if (had < (off_t)size && ftruncate(fd, size)) die(path);
  uint8_t *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (bytes == MAP_FAILED) die(path);
  if (had < (off_t)size) memset(bytes + had, fill, size - had);
  close(fd);
  return bytes;
}

static void listen_for_wires(const char *path) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  if (strlen(path) >= sizeof address.sun_path) die("wires: the path is too long");
  strcpy(address.sun_path, path);
  wires_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(wires_listener, (void *)&address, sizeof address) || listen(wires_listener, 1)) die(path);
}

static void never_sleep(avr_t *a, avr_cycle_count_t cycles) {
  (void)a, (void)cycles;
}

static void load(const char *path) {
  uint32_t size, start;
  uint8_t *code = read_ihex_file(path, &size, &start);
  if (!code) exit(2);
  avr_loadcode(avr, code, size, start);
  avr->codeend = avr->flashend;
  avr->flash[avr->flashend - 1] = ROUND_AND_ROUND & 0xFF;
  avr->flash[avr->flashend] = ROUND_AND_ROUND >> 8;
}

static void make_chip(void) {
  uint32_t no_flags = 0;
  avr = avr_make_mcu_by_name("atmega328p");
  if (!avr) die("atmega328p");
  avr_init(avr);
  avr->frequency = CYCLES_HZ;
  avr->sleep = never_sleep;
  avr->run_cycle_limit = 1000;
  memset(avr->data + RAM, RAM_FILL, RAM_BYTES);  /* RAM holds anything when power comes */
  avr_ioctl(avr, AVR_IOCTL_UART_SET_FLAGS('0'), &no_flags);
  core_reset = avr->reset;
  avr->reset = note_reset;
  for (timer1 = (avr_timer_t *)module("timer", NULL); timer1->name != '1';)
    timer1 = (avr_timer_t *)module("timer", &timer1->io);
  uart = (avr_uart_t *)module("uart", NULL);
  eeprom = (avr_eeprom_t *)module("eeprom", NULL);
}

static void connect_chip(void) {
  static const avr_io_addr_t PORTS[] = { PINB, DDRB, PORTB, PIND, DDRD, PORTD };
  for (int i = 0; i < 6; i++) hook_write(PORTS[i], port_written);
  for (int i = 0; i < INPUTS; i++) {
    inputs[i].irq = avr_io_getirq(avr, AVR_IOCTL_IOPORT_GETIRQ(inputs[i].port), inputs[i].bit);
    avr_raise_irq(inputs[i].irq, 0);
  }
  drive('B'), drive('C');
  avr_irq_register_notify(uart->io.irq + UART_IRQ_OUTPUT, byte_left, NULL);
  correct_timer1();
  start_generators();
}

static const char *option(int count, char **words, const char *name, const char *otherwise) {
  for (int i = 2; i < count - 1; i++)
    if (!strcmp(words[i], name)) return words[i + 1];
  return otherwise;
}

static enum inputs generator_named(const char *name) {
  for (int i = NONE; i <= LOOP; i++)
    if (!strcmp(name, INPUTS_NAMED[i])) return i;
  fprintf(stderr, "inputs: %s is not allowed; none, busy, short, noise or loop\n", name);
  exit(2);
}

static void open_files(int count, char **words) {
  const char *path;
  if ((path = option(count, words, "--trace", NULL)) && !(trace = fopen(path, "wb"))) die(path);
  if ((path = option(count, words, "--clock", NULL))) shared = map_file(path, 2 * sizeof *shared, 0);
  if ((path = option(count, words, "--eeprom", NULL))) eeprom->eeprom = map_file(path, eeprom->size, 0xFF);
  if ((path = option(count, words, "--wires", NULL))) listen_for_wires(path);
}

/* Late, it would not be the hardware that it stands for; refused, it does what it can. */
static void ask_real_time(void) {
  struct sched_param above_the_cameras = { .sched_priority = 31 };
  sched_setscheduler(0, SCHED_RR, &above_the_cameras);
}

int main(int count, char **words) {
  if (count < 2) return fprintf(stderr, "usage: runner FIRMWARE.hex [options]; see runner.c\n"), 2;
  is_paced = !strcmp(option(count, words, "--speed", "max"), "real");
  generator = generator_named(option(count, words, "--inputs", "none"));
  random_state = 2654435769u * (2 * atoi(option(count, words, "--seed", "1")) + 1);
  bootloader = atoi(option(count, words, "--bootloader", "-2"));
  for (int i = 2; i < count; i++) jumper |= !strcmp(words[i], "--jumper");
  make_chip();
  load(words[1]);
  open_files(count, words);
  connect_chip();
  open_port();
  run_bootloader();
  if (is_paced) ask_real_time();
  started_ns = host_ns();
  while (!quit) look_around();
  if (trace) fclose(trace);
  return 0;
}
