// The bar of controls under the pictures. Each does what a key does.

import { element, say } from "./dom.js";
import { FORMS } from "./jumps.js";
import { SPEEDS } from "./player.js";

const STOPS = ["trial", "gap", "alarm", "answer", "label"];

/** A button that gives the focus back after a click by mouse, so that the keys go on moving the page. */
export function button(words, hint, act) {
  const onClick = (event) => {
    act();
    if (event.detail > 0) event.currentTarget.blur();
  };
  return element("button", { type: "button", title: hint, on: { click: onClick } }, words);
}

const group = (name, ...children) => element("div", { class: "group", role: "group", "aria-label": name }, ...children);
const labelled = (words, control) => element("label", {}, element("span", {}, words), control);

function number(value, most, act) {
  const onChange = ({ currentTarget }) => {
    currentTarget.value = String(Math.min(Math.max(Math.round(Number(currentTarget.value)) || 1, 1), most));
    act(Number(currentTarget.value));
  };
  return element("input", {
    type: "number",
    min: "1",
    max: String(most),
    value,
    on: { change: onChange, keydown: leave },
  });
}

/** Enter and Escape give the keys back to the page. */
function leave(event) {
  if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
}

export class Controls {
  /** @param {import("./page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.root = element("div", { class: "bar" }, this.#moves(), this.#places(), this.#compares(), this.#views());
  }

  #moves() {
    const { page } = this;
    this.play = button("Play", "play and pause (space)", () => page.player.toggle());
    this.speed = element(
      "select",
      { "aria-label": "speed", on: { change: () => page.player.setSpeed(Number(this.speed.value)) } },
      ...SPEEDS.map((speed) => element("option", { value: String(speed) }, `${speed}×`)),
    );
    this.step = number(page.stepCount, 10000, (count) => (page.stepCount = count));
    return group(
      "Move",
      button("◀", "a step back (←)", () => page.step(-1)),
      this.play,
      button("▶", "a step on (→)", () => page.step(1)),
      this.speed,
      labelled("step", this.step),
    );
  }

  #places() {
    const { page } = this;
    const onKey = (event) => {
      if (event.key === "Enter") page.jump(this.place.value).then((isDone) => isDone && this.place.blur());
      else leave(event);
    };
    this.place = element("input", {
      type: "text",
      size: 9,
      placeholder: "1234 · 12.5s",
      title: FORMS,
      on: { keydown: onKey },
    });
    this.stops = element(
      "select",
      { "aria-label": "what to jump to" },
      ...STOPS.map((stop) => element("option", {}, stop)),
    );
    return group(
      "Jump",
      labelled("go to", this.place),
      button("‹", "the previous one", () => page.jumpToStop(this.stops.value, -1)),
      this.stops,
      button("›", "the next one", () => page.jumpToStop(this.stops.value, 1)),
    );
  }

  #compares() {
    const { comparison } = this.page;
    this.pin = button("Pin", "keep this moment to compare with (p)", () => comparison.pin());
    this.flip = button("A/B", "the pinned picture in place of this one, and back (b)", () => comparison.flip());
    this.wipe = button("Wipe", "the pinned picture at the left, this one at the right (w)", () => comparison.wipe());
    this.share = element("input", { type: "range", min: "1", max: "99", value: "50" });
    this.share.addEventListener("input", () => comparison.setWipe(Number(this.share.value) / 100));
    this.wiping = element("label", { class: "wiping" }, element("span", {}, "wipe at"), this.share);
    this.minusPinned = button("− pinned", "difference against the pinned picture (d)", () =>
      comparison.difference("pinned"),
    );
    this.minusEarlier = button("− earlier", "difference against an earlier picture (k)", () =>
      comparison.difference("earlier"),
    );
    this.earlier = number(comparison.earlier, 10000, (pulses) => comparison.setEarlier(pulses));
    const by = labelled("by", this.earlier);
    return group("Compare", this.pin, this.flip, this.wipe, this.minusPinned, this.minusEarlier, by);
  }

  #views() {
    const { page } = this;
    this.film = button("Film", "film on and off (f)", () => page.toggleFilm());
    this.contrast = button("Contrast", "contrast of the cameras, gain of differences (c)", () =>
      page.contrast.toggle(),
    );
    return group(
      "View",
      this.contrast,
      this.film,
      button("−", "zoom out (−)", () => page.room.lens.by(1 / 1.5)),
      button("1:1", "whole picture (0)", () => page.room.lens.by(0)),
      button("+", "zoom in (+)", () => page.room.lens.by(1.5)),
      button("Keys", "all keys (?)", () => page.help.showModal()),
    );
  }

  /** Show what is on and off. */
  update() {
    const { player, comparison, display, contrast } = this.page;
    say(this.play, player.isPlaying ? "Pause" : "Play");
    this.speed.value = String(player.speed);
    this.step.value = String(this.page.stepCount);
    const pressed = [
      [this.pin, comparison.pinnedIndex !== undefined],
      [this.flip, comparison.share === 1],
      [this.wipe, comparison.share > 0 && comparison.share < 1],
      [this.minusPinned, comparison.mode === "pinned"],
      [this.minusEarlier, comparison.mode === "earlier"],
      [this.film, display.isFilmOn],
      [this.contrast, !contrast.root.hidden],
    ];
    for (const [control, isOn] of pressed) control.setAttribute("aria-pressed", String(isOn));
    this.wiping.hidden = !(comparison.share > 0 && comparison.share < 1);
  }
}
