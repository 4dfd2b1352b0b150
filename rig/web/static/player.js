// Moving along the axis: steps, and playing by the clock with an honest count.

export const SPEEDS = [0.05, 0.1, 0.25, 0.5, 1];
export const LOOP_SPEED = 0.1;
export const MOST_STEP = 10000; // base pulses
const SCREEN_HZ = 60; // no browser shows more of them on a usual screen
const AHEAD_S = 0.5;
const LEAST_AHEAD = 12; // moments
const MOST_AHEAD = 48;
const STARVED_MS = 250; // without a moment that was due: from then on fewer are asked for
const WELL_MS = 2000; // without a late moment: from then on more are asked for again
const MOST_STRIDE = 16;

export class Player {
  /**
   * @param {import("./axis.js").Axis} axis
   * @param {import("./display.js").Display} display
   * @param {object} session of /api/session
   */
  constructor(axis, display, session) {
    Object.assign(this, { axis, display, base: session.base, holes: holesOf(session, axis) });
    this.speed = 0.25;
    this.range = undefined; // {from, to} indices, while a loop plays
    this.count = undefined; // {shown, missing, passed} of the last play: moments with and without a picture, and all
    this.played = []; // {pulse, at_ms} of those shown
    this.moves = 0; // places that somebody went to
    this.onChange = () => {};
  }

  get isPlaying() {
    return this.clock !== undefined;
  }

  get index() {
    return this.display.target;
  }

  /** Show the moment at `index`; playing ends. `travel` as in Display.show. @returns {boolean} whether at once */
  go(index, travel) {
    this.moves++;
    this.pause();
    return this.display.show(this.axis.clamp(index), travel);
  }

  /** `count` base frames on, or back. */
  step(count, isMoving) {
    const travel = { step: Math.abs(count), direction: Math.sign(count), isMoving };
    return this.go(this.index + count, travel);
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** Play from here to the end of the session, or `range` again and again. */
  play(range = undefined) {
    this.pause();
    this.range = range;
    const from = range?.from ?? (this.index >= this.axis.length - 1 ? 0 : this.index);
    this.count = { shown: 0, missing: 0, passed: 0 };
    this.played = [];
    this.#begin(from);
    this.frame = requestAnimationFrame((now) => this.#tick(now));
    this.onChange();
  }

  /** Play the indices `from` to `to` again and again, slowly. */
  loop(from, to) {
    this.pause();
    this.speedBefore = this.speed;
    this.setSpeed(LOOP_SPEED);
    this.play({ from, to });
  }

  pause() {
    if (!this.isPlaying) return;
    cancelAnimationFrame(this.frame);
    if (this.range && this.speed === LOOP_SPEED) this.speed = this.speedBefore; // not if another was chosen meanwhile
    this.clock = this.range = undefined;
    this.display.show(this.display.shown?.index ?? this.index);
    this.onChange();
  }

  setSpeed(speed) {
    this.speed = speed;
    if (this.isPlaying) this.#begin(this.index, this.clock.last);
    this.onChange();
  }

  faster(by) {
    const at = SPEEDS.findIndex((speed) => speed >= this.speed);
    this.setSpeed(SPEEDS[Math.min(Math.max(at + by, 0), SPEEDS.length - 1)]);
  }

  /** Base pulses from one moment to the next: as many as the screen can show. */
  get #leastStride() {
    return Math.max(1, Math.round(this.speed / this.axis.periodS / SCREEN_HZ));
  }

  /** `last`: the last moment that was counted. */
  #begin(from, last = from - 1) {
    const stride = this.#leastStride;
    this.clock = { from, stride, seconds: this.axis.secondsOf(from), beganMs: undefined, last };
  }

  get #travel() {
    const wanted = Math.ceil(((this.speed / this.axis.periodS) * AHEAD_S) / this.clock.stride);
    const ahead = Math.min(Math.max(wanted, LEAST_AHEAD), MOST_AHEAD);
    return { step: this.clock.stride, direction: 1, isMoving: true, ahead, behind: 0 };
  }

  #tick(nowMs) {
    this.frame = requestAnimationFrame((now) => this.#tick(now));
    const { clock } = this;
    if (clock.beganMs === undefined && !this.#isReady(clock.from)) return;
    clock.beganMs ??= nowMs;
    const seconds = clock.seconds + ((nowMs - clock.beganMs) / 1000) * this.speed;
    const end = this.range?.to ?? this.axis.length - 1;
    const due = Math.min(this.axis.indexAt(seconds), end);
    this.#showDue(Math.min(clock.from + Math.floor((due - clock.from) / clock.stride) * clock.stride, end), nowMs);
    if (due >= end) this.#atEnd(end);
    else if (this.axis.breakAt(seconds)) this.#begin(due + 1, clock.last);
  }

  /** The clock starts when the first moments are here, those of the same run: nothing is read ahead beyond it. */
  #isReady(from) {
    this.display.isMoving = true;
    this.display.readAhead(from, this.#travel);
    const { stride } = this.clock;
    const { axis } = this;
    const isIn = (index) => index < axis.length && axis.runOf(index) === axis.runOf(from);
    const first = [0, 1, 2, 3].map((n) => from + n * stride).filter(isIn);
    return first.every((index) => this.display.has(index));
  }

  #showDue(index, nowMs) {
    const { clock } = this;
    if (index <= clock.last) return;
    if (!this.display.has(index)) return this.#wait(index, nowMs);
    this.#goWell(nowMs);
    this.display.show(index, this.#travel);
    this.#take(index, nowMs);
    clock.last = index;
    this.onChange();
  }

  #take(index, nowMs) {
    const { count, display, axis } = this;
    const isShown = display.shown.pictures[this.base] !== undefined;
    count[isShown ? "shown" : "missing"]++;
    count.missing += this.#missingIn(this.clock.last + 1, index - 1);
    count.passed += index - this.clock.last;
    if (isShown) this.played.push({ pulse: axis.placeOf(index).pulse, at_ms: nowMs });
  }

  /** Of moments that were passed over: how many have no frame, so that none was skipped. */
  #missingIn(first, last) {
    const within = ({ from, to }) => Math.max(0, Math.min(to, last) - Math.max(from, first) + 1);
    return this.holes.reduce((sum, hole) => sum + within(hole), 0);
  }

  #goWell(nowMs) {
    const { clock } = this;
    clock.lateMs = undefined;
    clock.wellMs ??= nowMs;
    if (nowMs - clock.wellMs < WELL_MS) return;
    Object.assign(clock, { stride: Math.max(clock.stride >> 1, this.#leastStride), wellMs: nowMs });
  }

  /** A late moment is passed over; after a while without any, every second one is asked for. */
  #wait(index, nowMs) {
    const { clock } = this;
    clock.lateMs ??= nowMs;
    clock.wellMs = undefined;
    if (nowMs - clock.lateMs > STARVED_MS) {
      Object.assign(clock, { stride: Math.min(clock.stride * 2, MOST_STRIDE), lateMs: undefined });
    }
    this.display.readAhead(index + clock.stride, this.#travel);
  }

  #atEnd(end) {
    if (this.clock.last < end && !this.display.has(end)) return;
    if (!this.range) return this.pause();
    this.#begin(this.range.from);
  }
}

/** Where the base stream has no frames: {from, to} indices. */
function holesOf({ base, gaps, not_stored: notStored }, axis) {
  const own = [...gaps, ...notStored].filter(({ stream }) => stream === base);
  const indexOf = (run, pulse) => axis.indexOf({ run, pulse });
  return own.map((row) => ({ from: indexOf(row.run, row.first_pulse), to: indexOf(row.run, row.last_pulse) }));
}
