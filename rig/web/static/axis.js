// Places of a session in one row: run after run, pulse after pulse of the base stream.

/** @typedef {{run: number, pulse: number}} Place */

export class Axis {
  /** @param {object[]} runs of /api/session */
  constructor(runs) {
    let start = 0;
    this.runs = runs
      .filter((run) => run.last_pulse >= run.first_pulse && run.segments.length)
      .map((run) => {
        const placed = { ...run, start };
        start += run.last_pulse - run.first_pulse + 1;
        return placed;
      });
    this.length = start;
    this.breaks = this.#breaks();
  }

  /** Where nothing was recorded between a run and the next: {run, next, first_pulse, from_s, to_s}; places hold none. */
  #breaks() {
    const between = this.runs.slice(1).map((next, n) => {
      const { number: run, last_pulse: pulse } = this.runs[n];
      const fromS = this.secondsOf(next.start - 1) + this.periodS;
      return { run, next: next.number, first_pulse: pulse, from_s: fromS, to_s: this.secondsOf(next.start) };
    });
    return between.filter((row) => row.to_s > row.from_s);
  }

  /** The break at a moment; undefined: there is none. */
  breakAt(seconds) {
    return this.breaks.find((row) => row.from_s <= seconds && seconds < row.to_s);
  }

  /** Index of a place; of one outside its run the nearest within; -1: there is no such run. */
  indexOf({ run, pulse }) {
    const found = this.runs.find(({ number }) => number === run);
    if (!found) return -1;
    return found.start + Math.min(Math.max(pulse, found.first_pulse), found.last_pulse) - found.first_pulse;
  }

  has({ run, pulse }) {
    const found = this.runs.find(({ number }) => number === run);
    return found !== undefined && pulse >= found.first_pulse && pulse <= found.last_pulse;
  }

  /** @returns {Place} */
  placeOf(index) {
    const run = this.runOf(index);
    return { run: run.number, pulse: run.first_pulse + index - run.start };
  }

  runOf(index) {
    return this.runs.findLast(({ start }) => start <= index) ?? this.runs[0];
  }

  clamp(index) {
    return Math.min(Math.max(index, 0), this.length - 1);
  }

  /** Start of exposure of the base pulse at `index`, s from pulse 0 of the session. */
  secondsOf(index) {
    const run = this.runOf(index);
    const pulse = run.first_pulse + index - run.start;
    const [first, , firstS, periodS] = segmentOf(run.segments, pulse);
    return firstS + (pulse - first) * periodS;
  }

  /** The last index whose exposure began at or before `seconds`; 0 before the first. */
  indexAt(seconds) {
    let low = 0;
    let high = this.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.secondsOf(middle) <= seconds) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  get startS() {
    return this.secondsOf(0);
  }

  get endS() {
    return this.secondsOf(this.length - 1) + this.periodS;
  }

  /** The moment of the axis nearest to `seconds`: marks from before the first pulse or after the last have one. */
  nearestS(seconds) {
    return Math.min(Math.max(seconds, this.startS), this.endS);
  }

  /** Of the base stream, s: the first segment's. */
  get periodS() {
    return this.runs[0].segments[0][3];
  }
}

function segmentOf(segments, pulse) {
  let low = 0;
  let high = segments.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (segments[middle][0] <= pulse) low = middle;
    else high = middle - 1;
  }
  return segments[low];
}
