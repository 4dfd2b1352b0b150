// Draws the time line: lanes of trials, steps, marks, motion and streams over a range of seconds.

import { wordsOf } from "./words.js";

const RULER = 16; // heights of lanes, px
const TRIALS = 14;
const STEPS = 18;
const MARKS = 12;
const LABELS = 12;
const MOTION = 26;
const STREAM = 9;
const SPACE = 3; // between lanes
const TICKS = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];
const TICK_PX = 90;
const FLIP_PX = 4;
const FONT = "11px system-ui, sans-serif";
export const GUTTER = 52; // px, for the names of lanes

/** Lanes from top to bottom, {name, kind, top, height}. */
export function lanesOf(session) {
  const wanted = [
    { name: "", kind: "ruler", height: RULER },
    ...(session.trials.length ? [{ name: "trials", kind: "trials", height: TRIALS }] : []),
    { name: "steps", kind: "steps", height: STEPS },
    ...(session.labels ? [{ name: "labels", kind: "labels", height: LABELS }] : []),
    { name: "marks", kind: "marks", height: MARKS },
    { name: "motion", kind: "motion", height: MOTION },
    ...session.streams.map(({ name }) => ({ name, kind: "stream", height: STREAM })),
  ];
  let top = 0;
  return wanted.map((lane) => {
    const placed = { ...lane, top };
    top += lane.height + SPACE;
    return placed;
  });
}

/** Whether there is room for these flips, {rows, count}, one by one. */
export const areDrawn = ({ rows, count }, width) => rows.length === count && count < (width - GUTTER) / FLIP_PX;

export const heightOf = (lanes) => lanes.at(-1).top + lanes.at(-1).height + SPACE;

/** Colours by the style sheet's names, for light and dark. */
export function coloursOf(root) {
  const style = getComputedStyle(root);
  const names = [
    "ink",
    "faint",
    "line",
    "lane",
    "trial",
    "clip",
    "bad",
    "label",
    "answer",
    "motion",
    "accent",
    "panel",
  ];
  return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
}

export class Drawing {
  /** @param {{context, width, fromS, toS, colours, lanes, axis}} view in CSS px and seconds */
  constructor(view) {
    Object.assign(this, view);
    this.perS = (this.width - GUTTER) / (this.toS - this.fromS);
    this.context.font = FONT;
    this.context.textBaseline = "middle";
  }

  x(seconds) {
    return GUTTER + (seconds - this.fromS) * this.perS;
  }

  #secondsOf(run, pulse) {
    const index = this.axis.indexOf({ run, pulse });
    return index < 0 ? NaN : this.axis.secondsOf(index);
  }

  all(session, { motion, flips }) {
    const { context, colours, width } = this;
    context.fillStyle = colours.panel;
    context.fillRect(0, 0, width, heightOf(this.lanes));
    context.save();
    context.beginPath();
    context.rect(GUTTER, 0, width - GUTTER, heightOf(this.lanes));
    context.clip();
    for (const lane of this.lanes) this[`_${lane.kind}`](lane, session, { motion, flips });
    context.restore();
    for (const lane of this.lanes) this.#write(lane.name, 4, lane, colours.faint, GUTTER - 8);
  }

  _ruler(lane) {
    const step = TICKS.find((tick) => tick * this.perS >= TICK_PX) ?? TICKS.at(-1);
    const decimals = Math.max(0, Math.ceil(-Math.log10(step)));
    for (let n = Math.ceil(this.fromS / step); n * step <= this.toS; n++) {
      this.#bar(n * step, undefined, { top: lane.top, height: heightOf(this.lanes) }, this.colours.line);
      this.#write(`${(n * step).toFixed(decimals)} s`, this.x(n * step) + 4, lane, this.colours.faint);
    }
  }

  _trials(lane, session) {
    for (const trial of session.trials) this.#named(trial, wordsOf.trial(trial), lane, this.colours.trial);
  }

  _steps(lane, session, { flips }) {
    for (const row of this.axis.breaks) this.#named(row, wordsOf.break(row), lane, this.colours.panel);
    for (const step of session.steps) {
      this.#named(step, wordsOf.step(step), lane, step.clip ? this.colours.clip : this.colours.trial);
    }
    this.#flips(flips, lane);
  }

  /** A bar with its words, as many as there is room for. */
  #named(row, words, lane, colour) {
    if (!this.#isSeen(row.from_s, row.to_s)) return;
    this.#bar(row.from_s, row.to_s, lane, colour);
    const left = Math.max(this.x(row.from_s), GUTTER);
    this.#write(words, left + 4, lane, this.colours.ink, this.x(row.to_s) - left - 6);
  }

  #flips(flips, lane) {
    const foot = { top: lane.top + lane.height - 4, height: 4 };
    for (const [atS, , , bits] of flips && areDrawn(flips, this.width) ? flips.rows : [])
      this.#bar(atS, undefined, foot, bits ? this.colours.bad : this.colours.ink);
  }

  _labels(lane, session) {
    for (const label of session.labels) {
      const ends = [label.onset, label.apex, label.offset].filter((pulse) => pulse !== null);
      const seconds = ends.map((pulse) => this.#secondsOf(label.run, pulse));
      if (!seconds.length) continue;
      this.#bar(Math.min(...seconds), Math.max(...seconds), lane, this.colours.label);
      if (label.apex !== null) this.#bar(this.#secondsOf(label.run, label.apex), undefined, lane, this.colours.ink);
    }
  }

  _marks(lane, session) {
    for (const answer of session.answers) this.#triangle(answer.at_s, lane, this.colours.answer);
    for (const alarm of session.alarms) this.#diamond(alarm.at_s, lane, this.colours.bad);
    for (const extra of session.extras) this.#bar(extra.at_s, undefined, lane, this.colours.faint);
  }

  _motion(lane, _session, { motion }) {
    if (!motion) return;
    const most = motion.energy.reduce((sum, energy) => Math.max(sum, energy ?? 0), 0) || 1;
    const perBin = (motion.toS - motion.fromS) / motion.energy.length;
    motion.energy.forEach((energy, n) => {
      if (energy === null) return;
      const height = Math.max(1, (energy / most) * lane.height);
      const foot = { top: lane.top + lane.height - height, height };
      this.#bar(motion.fromS + n * perBin, motion.fromS + (n + 1) * perBin, foot, this.colours.motion);
    });
    if (!motion.is_each_frame) this.#writeOver("sampled", GUTTER + 2, { ...lane, height: 11 });
  }

  _stream(lane, session) {
    for (const run of this.axis.runs) {
      const ends = [run.first_pulse, run.last_pulse].map((pulse) => this.#secondsOf(run.number, pulse));
      this.#bar(...ends, lane, this.colours.lane);
    }
    for (const row of this.axis.breaks) this.#hatch(row.from_s, row.to_s, lane);
    const own = (row) => row.stream === lane.name;
    for (const row of session.not_stored.filter(own)) this.#hatch(row.from_s, row.to_s, lane);
    for (const row of session.gaps.filter(own)) this.#bar(row.from_s, row.to_s, lane, this.colours.bad);
  }

  #isSeen(fromS, toS) {
    return toS >= this.fromS && fromS <= this.toS;
  }

  /** At least a pixel wide; without an end a line. */
  #bar(fromS, toS, { top, height }, colour) {
    if (!this.#isSeen(fromS, toS ?? fromS)) return;
    const left = Math.round(this.x(fromS));
    this.context.fillStyle = colour;
    this.context.fillRect(left, top, toS === undefined ? 1 : Math.max(2, Math.round(this.x(toS)) - left - 1), height);
  }

  #hatch(fromS, toS, lane) {
    this.#bar(fromS, toS, lane, this.colours.panel);
    const [left, right] = [fromS, toS].map((seconds) => Math.min(Math.max(this.x(seconds), GUTTER), this.width));
    this.context.strokeStyle = this.colours.faint;
    this.context.beginPath();
    for (let x = left; x < right; x += 5) {
      this.context.moveTo(x, lane.top + lane.height);
      this.context.lineTo(Math.min(x + 5, right), lane.top);
    }
    this.context.stroke();
  }

  #triangle(atS, { top, height }, colour) {
    this.#shape(
      atS,
      [
        [0, top],
        [5, top + height],
        [-5, top + height],
      ],
      colour,
    );
  }

  #diamond(atS, { top, height }, colour) {
    this.#shape(
      atS,
      [
        [0, top],
        [6, top + height / 2],
        [0, top + height],
        [-6, top + height / 2],
      ],
      colour,
    );
  }

  #shape(atS, corners, colour) {
    const nearS = this.axis.nearestS(atS);
    if (atS === null || !this.#isSeen(nearS, nearS)) return;
    this.context.fillStyle = colour;
    this.context.beginPath();
    for (const [x, y] of corners) this.context.lineTo(this.x(nearS) + x, y);
    this.context.fill();
  }

  /** Write on a ground of its own, over what is drawn there. */
  #writeOver(text, x, { top, height }) {
    this.context.fillStyle = this.colours.panel;
    this.context.fillRect(x, top, this.context.measureText(text).width + 4, height);
    this.#write(text, x + 2, { top, height }, this.colours.ink);
  }

  #write(text, x, { top, height }, colour, most = Infinity) {
    if (!text || most < 12) return;
    this.context.fillStyle = colour;
    this.context.fillText(shortened(this.context, text, most), x, top + height / 2 + 1);
  }
}

function shortened(context, text, most) {
  if (context.measureText(text).width <= most) return text;
  let length = text.length;
  while (length > 0 && context.measureText(`${text.slice(0, length)}…`).width > most) length--;
  return length ? `${text.slice(0, length)}…` : "";
}
