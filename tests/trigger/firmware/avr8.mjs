/* Runs the firmware on another simulated chip, avr8js (MIT), with what the runner's trace says the first one was given.

       node avr8.mjs FIRMWARE.hex TRACE CYCLES OUT FOLDER      FOLDER: where `npm install avr8js` put it

   The bytes to the box and the levels at its polled inputs come at the very cycles of TRACE. OUT is written in the same
   format (runner.c): the edges of the trigger lines and LEDs. The timed input is left out. */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';

const [firmware, trace, cycles, out, folder] = process.argv.slice(2);
const avr8js = createRequire(resolve(folder, 'package.json'))('avr8js');

const HZ = 16e6, ROW = 16, BYTE_IN = 0, FIRST_INPUT = 14, LAST_INPUT = 18, JUMPER_BIT = 4, TIFR1 = 0x36, ICF1 = 1 << 5;
const LINES = [[4, 4], [5, 5], [6, 6]];          // bit of port D, pin of the board
const LEDS = [[2, 10], [1, 9], [3, 11]];         // bit of port B, pin of the board

function program(path) {
  const bytes = new Uint8Array(0x8000).fill(0xff);
  for (const line of readFileSync(path, 'ascii').split('\n')) {
    if (line.slice(7, 9) !== '00') continue;     // only records of data
    const record = Buffer.from(line.slice(1), 'hex');
    bytes.set(record.subarray(4, 4 + record[0]), record.readUInt16BE(1));
  }
  return new Uint16Array(bytes.buffer);
}

function given(path) {
  const data = readFileSync(path), rows = [];
  for (let at = 0; at + ROW <= data.length; at += ROW) {
    const pin = data[at + 8];
    if (pin === BYTE_IN || (pin >= FIRST_INPUT && pin <= LAST_INPUT))
      rows.push({ cycle: Number(data.readBigUInt64LE(at)), pin, value: data[at + 9] });
  }
  return rows;
}

const cpu = new avr8js.CPU(program(firmware));
const clock = new avr8js.AVRClock(cpu, HZ, avr8js.clockConfig);
for (const config of [avr8js.timer0Config, avr8js.timer1Config]) new avr8js.AVRTimer(cpu, config);
new avr8js.AVRWatchdog(cpu, avr8js.watchdogConfig, clock);
new avr8js.AVREEPROM(cpu, new avr8js.EEPROMMemoryBackend(1024));
const serial = new avr8js.AVRUSART(cpu, avr8js.usart0Config, HZ);
const [portB, portC, portD] = [avr8js.portBConfig, avr8js.portCConfig, avr8js.portDConfig]
  .map((config) => new avr8js.AVRIOPort(cpu, config));

// It has no input capture, and keeps the flag of that as it is written; on the chip, writing it clears it.
const clearFlags = cpu.writeHooks[TIFR1];
cpu.writeHooks[TIFR1] = (value, ...more) => {
  const done = clearFlags(value, ...more);
  cpu.data[TIFR1] &= ~ICF1;
  return done;
};

const edges = [];
function watch(port, pins) {
  const levels = new Map(pins.map(([bit]) => [bit, 0]));
  port.addListener(() => {
    for (const [bit, pin] of pins) {
      const level = port.pinState(bit) === avr8js.PinState.High ? 1 : 0;
      if (level !== levels.get(bit)) edges.push([cpu.cycles, pin, level]);
      levels.set(bit, level);
    }
  });
}
watch(portD, LINES);
watch(portB, LEDS);
portB.setPin(JUMPER_BIT, true);                  // no jumper: the pull-up

const inputs = given(trace), end = Number(cycles);
let next = 0;
while (cpu.cycles < end) {
  avr8js.avrInstruction(cpu);
  cpu.tick();
  while (next < inputs.length && inputs[next].cycle <= cpu.cycles) {
    const { pin, value } = inputs[next];
    if (pin === BYTE_IN && !serial.writeByte(value)) break;  // the byte before is still on its way
    if (pin !== BYTE_IN) portC.setPin(pin - FIRST_INPUT, value === 1);
    next++;
  }
}

const table = Buffer.alloc(edges.length * ROW);
edges.forEach(([cycle, pin, level], i) => {
  table.writeBigUInt64LE(BigInt(cycle), i * ROW);
  table[i * ROW + 8] = pin;
  table[i * ROW + 9] = level;
});
writeFileSync(out, table);
