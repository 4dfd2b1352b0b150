// The time line as a control: a slider over the session, zoomed by wheel and keys, filled in as answers come.

import { getJson, isAbort } from "./api.js";
import { element, say } from "./dom.js";
import { areDrawn, coloursOf, Drawing, GUTTER, heightOf, lanesOf } from "./timeline-draw.js";
import { wordsOf } from "./words.js";

const LEAST_S = 0.1;
const WAIT_MS = 150; // after the last zoom, before details are asked for
const MOST_FLIPS = 2000;
const BIN_PX = 2;
const EDGE = 0.1; // of the range: the cursor comes no nearer to its ends

export class Timeline {
  /**
   * @param {{isOn: boolean}} stimulus whether the film is shown, and flips with it; the page's own
   * @param {(index: number, seconds: number) => void} onScrub
   */
  constructor(axis, session, stimulus, onScrub) {
    Object.assign(this, { axis, session, stimulus, onScrub });
    this.details = {};
    this.index = 0;
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.cursor = element("div", { class: "cursor" });
    this.pointer = element("output", { class: "pointer-words" }); // what lies under the pointer; for the page to place
    this.root = element(
      "div",
      { class: "timeline", role: "slider", tabIndex: 0, "aria-label": "Time line", "aria-valuemin": "0" },
      this.canvas,
      this.cursor,
    );
    this.root.setAttribute("aria-valuemax", String(axis.length - 1));
    this.#listen();
    this.whole();
  }

  #listen() {
    this.root.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.root.addEventListener("pointerdown", (event) => this.#onGrab(event));
    this.root.addEventListener("pointermove", (event) => this.#onPoint(event));
    this.root.addEventListener("pointerleave", () => say(this.pointer, ""));
    new ResizeObserver(() => this.draw()).observe(this.root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  /** The film was put on or off: what its flips were, and what lay under the pointer, is no longer told. */
  filmChanged() {
    this.details.flips = undefined;
    say(this.pointer, "");
    this.draw();
    this.#askLater();
  }

  setSession(session) {
    this.session = session;
    this.draw();
  }

  whole() {
    this.#range(this.axis.startS, this.axis.endS);
  }

  /** Zoom by `factor`; the moment `atS` stays where it is. */
  zoom(factor, atS = this.axis.secondsOf(this.index)) {
    const length = Math.max((this.toS - this.fromS) / factor, LEAST_S);
    const share = (atS - this.fromS) / (this.toS - this.fromS);
    this.#range(atS - length * share, atS + length * (1 - share));
  }

  /** The range half its length later, or earlier: `direction` 1 or -1. */
  move(direction) {
    const moved = (direction * (this.toS - this.fromS)) / 2;
    this.#range(this.fromS + moved, this.toS + moved);
  }

  #range(fromS, toS) {
    const { startS, endS } = this.axis;
    const length = Math.min(toS - fromS, endS - startS);
    this.fromS = Math.min(Math.max(fromS, startS), endS - length);
    this.toS = this.fromS + length;
    this.draw();
    this.#askLater();
  }

  /** Put the cursor at `index`; the range follows it. */
  set(index) {
    this.index = index;
    const { run, pulse } = this.axis.placeOf(index);
    const seconds = this.axis.secondsOf(index);
    this.root.setAttribute("aria-valuenow", String(index));
    this.root.setAttribute("aria-valuetext", `run ${run}, pulse ${pulse}, ${seconds.toFixed(3)} s`);
    const length = this.toS - this.fromS;
    if (seconds < this.fromS) this.#range(seconds - length * EDGE, seconds + length * (1 - EDGE));
    else if (seconds > this.toS) this.#range(seconds - length * EDGE, seconds + length * (1 - EDGE));
    this.#placeCursor();
  }

  #placeCursor() {
    const share = (this.axis.secondsOf(this.index) - this.fromS) / (this.toS - this.fromS);
    this.cursor.style.transform = `translateX(${GUTTER + share * (this.width - GUTTER)}px)`;
  }

  get width() {
    return this.root.clientWidth;
  }

  draw() {
    const lanes = lanesOf(this.session);
    const height = heightOf(lanes);
    const scale = devicePixelRatio;
    if (!this.width) return;
    this.canvas.width = Math.round(this.width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.height = this.root.style.height = `${height}px`;
    const context = this.canvas.getContext("2d", { alpha: false });
    context.scale(scale, scale);
    const { width, fromS, toS, axis } = this;
    new Drawing({ context, width, fromS, toS, axis, lanes, colours: coloursOf(this.root) }).all(
      this.session,
      this.details,
    );
    this.#placeCursor();
  }

  /** Flips and motion of the visible range, once nobody zooms any more. */
  #askLater() {
    clearTimeout(this.timer);
    this.asking?.abort();
    if (this.isAwake) this.timer = setTimeout(() => this.#ask(), WAIT_MS);
  }

  /** Begin to ask for details: the first picture is here, nothing keeps it waiting. */
  wake() {
    if (this.isAwake) return;
    this.isAwake = true;
    this.#askLater();
  }

  #ask() {
    this.asking = new AbortController();
    const { signal } = this.asking;
    const range = { from_s: this.fromS, to_s: this.toS };
    const pulses = this.axis.indexAt(this.toS) - this.axis.indexAt(this.fromS) + 1;
    const bins = Math.min(Math.ceil((this.width - GUTTER) / BIN_PX), pulses);
    const asked = { fromS: this.fromS, toS: this.toS };
    this.#bring("motion", { ...range, bins }, signal, (said) => ({ ...asked, ...said }));
    if (this.stimulus.isOn) this.#bring("flips", { ...range, most: MOST_FLIPS }, signal, flipsOf);
  }

  async #bring(what, query, signal, taken) {
    try {
      this.details[what] = taken(await getJson(`/api/${what}?${new URLSearchParams(query)}`, signal));
      this.draw();
    } catch (error) {
      if (!isAbort(error)) say(this.pointer, `${what}: ${error.message}`);
    }
  }

  #secondsAt({ clientX }) {
    const box = this.root.getBoundingClientRect();
    const share = (clientX - box.left - GUTTER) / (box.width - GUTTER);
    return this.fromS + Math.min(Math.max(share, 0), 1) * (this.toS - this.fromS);
  }

  #onWheel(event) {
    event.preventDefault();
    const turned = event.deltaY || event.deltaX;
    const moved = (turned / 800) * (this.toS - this.fromS);
    if (event.shiftKey || event.deltaX) this.#range(this.fromS + moved, this.toS + moved);
    else this.zoom(2 ** (-turned / 300), this.#secondsAt(event));
  }

  #onGrab(event) {
    if (event.button !== 0) return;
    this.root.setPointerCapture(event.pointerId);
    const scrub = (moved) => {
      const seconds = this.#secondsAt(moved);
      this.onScrub(this.axis.indexAt(seconds), seconds);
    };
    scrub(event);
    this.root.addEventListener("pointermove", scrub);
    const release = () => this.root.removeEventListener("pointermove", scrub);
    this.root.addEventListener("lostpointercapture", release, { once: true });
  }

  #onPoint(event) {
    const seconds = this.#secondsAt(event);
    const nearS = (4 / (this.width - GUTTER)) * (this.toS - this.fromS);
    const sampled = this.details.motion?.is_each_frame === false ? ["motion of sampled frames"] : [];
    const { flips } = this.details;
    const crowded = flips && !areDrawn(flips, this.width) ? ["zoom in for flips"] : [];
    say(this.pointer, [`${seconds.toFixed(3)} s`, ...this.#wordsAt(seconds, nearS), ...sampled, ...crowded].join(" · "));
  }

  /** What lies at a moment: its trial, step, gaps, alarms and answers. */
  #wordsAt(seconds, nearS) {
    const { trials, steps, gaps, not_stored: notStored, alarms, answers } = this.session;
    const covers = (row) => row.from_s <= seconds + nearS && row.to_s >= seconds - nearS;
    const holds = (row) => row.from_s <= seconds && row.to_s > seconds;
    const isNear = ({ at_s: atS }) => atS !== null && Math.abs(this.axis.nearestS(atS) - seconds) <= nearS;
    return [
      ...this.axis.breaks.filter(holds).map(wordsOf.break),
      ...trials.filter(holds).map(wordsOf.trial),
      ...steps.filter(holds).map(wordsOf.step),
      ...gaps.filter(covers).map(wordsOf.gap),
      ...notStored.filter(covers).map(wordsOf.notStored),
      ...alarms.filter(isNear).map(wordsOf.alarm),
      ...answers.filter(isNear).map(wordsOf.answer),
    ];
  }
}

/** An answer of /api/flips: there are no rows where they are too many. */
const flipsOf = ({ flips = [], count = flips.length }) => ({ rows: flips, count });
