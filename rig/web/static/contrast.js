// The contrast panel: a window of levels for all cameras or for one, and the gain of differences.

import { element, say } from "./dom.js";
import { button, choice, labelled } from "./fields.js";
import { WHOLE } from "./tones.js";

const LEVELS = 255;
const MOST_GAIN = 16;

export class Contrast {
  /**
   * @param {Map<string, import("./tile.js").Tile>} tiles by stream
   * @param {import("./display.js").Display} display
   */
  constructor(tiles, display) {
    Object.assign(this, { tiles, display });
    this.windows = new Map([...tiles.keys()].map((name) => [name, WHOLE]));
    this.gain = 4;
    this.onToggle = () => {};
    this.#build();
    this.#apply();
  }

  #build() {
    const slider = (max, value, act) => element("input", { type: "range", min: "0", max, value, on: { input: act } });
    this.which = choice(["all cameras", ...this.tiles.keys()], "cameras", () => this.#showLevels());
    this.low = slider(LEVELS, 0, () => this.#onLevels());
    this.high = slider(LEVELS, LEVELS, () => this.#onLevels());
    this.gains = slider(MOST_GAIN, this.gain, () => this.#onGain());
    this.gains.min = "1";
    this.words = element("output", {});
    this.root = element(
      "div",
      {
        class: "panel",
        hidden: true,
        role: "group",
        "aria-label": "Contrast",
      },
      labelled("of", this.which),
      labelled("black below", this.low),
      labelled("white above", this.high),
      this.words,
      element(
        "div",
        { class: "row" },
        button("Auto", "each camera by its own picture", () => this.auto()),
        button("Reset", "as stored", () => this.reset()),
      ),
      labelled("gain of differences", this.gains),
    );
  }

  toggle() {
    this.root.hidden = !this.root.hidden;
    if (!this.root.hidden) this.low.focus();
    this.onToggle();
  }

  close() {
    if (!this.root.hidden) this.toggle();
  }

  get #names() {
    return this.which.selectedIndex > 0 ? [this.which.value] : [...this.tiles.keys()];
  }

  #onLevels() {
    const low = Math.min(Number(this.low.value), LEVELS - 1) / LEVELS;
    const high = Math.max(Number(this.high.value) / LEVELS, low + 1 / LEVELS);
    for (const name of this.#names) this.windows.set(name, { low, high });
    this.#apply();
  }

  #onGain() {
    this.gain = Number(this.gains.value);
    this.#apply();
  }

  /** Each camera by its own picture. */
  auto() {
    const found = this.display.windows();
    for (const name of this.#names) this.windows.set(name, found.get(name) ?? this.windows.get(name));
    this.#apply();
  }

  /** As stored. */
  reset() {
    for (const name of this.#names) this.windows.set(name, WHOLE);
    this.#apply();
  }

  #apply() {
    for (const [name, tile] of this.tiles) tile.setTones(this.windows.get(name), this.gain);
    this.#showLevels();
  }

  #showLevels() {
    const { low, high } = this.windows.get(this.#names[0]);
    this.low.value = String(Math.round(low * LEVELS));
    this.high.value = String(Math.round(high * LEVELS));
    say(this.words, `${this.low.value} to ${this.high.value} of ${LEVELS}; differences × ${this.gain}`);
  }
}
