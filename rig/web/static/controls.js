// The bar of controls under the pictures. Each does what a key does.

import { element, say } from "./dom.js";
import { button, choice, labelled, leave, number } from "./fields.js";
import { FORMS } from "./jumps.js";
import { MOST_STEP, SPEEDS } from "./player.js";

const STOPS = ["trial", "step", "gap", "alarm", "answer", "label"];

const group = (name, ...children) => element("div", { class: "group", role: "group", "aria-label": name }, ...children);

export class Controls {
  /** @param {import("./page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.root = element("div", { class: "bar" }, this.#moves(), this.#places(), this.#compares(), this.#views());
  }

  #moves() {
    const { page } = this;
    this.play = button("Play", "play and pause (space)", () => page.player.toggle());
    this.play.classList.add("play");
    this.speed = choice(SPEEDS, "speed", (speed) => page.player.setSpeed(Number(speed)), "×");
    this.step = number(page.stepCount, MOST_STEP, (count) => (page.stepCount = count));
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
    this.stops = choice(STOPS, "what to jump to");
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
    this.wiping = labelled("wipe at", this.share);
    this.wiping.classList.add("wiping");
    this.minusPinned = button("− pinned", "difference against the pinned picture (d)", () =>
      comparison.difference("pinned"),
    );
    this.minusEarlier = button("− earlier", "difference against an earlier picture (k)", () =>
      comparison.difference("earlier"),
    );
    this.earlier = number(comparison.earlier, MOST_STEP, (pulses) => comparison.setEarlier(pulses));
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
      button("−", "zoom out (−)", () => page.room.lens.out()),
      button("1:1", "whole picture (0)", () => page.room.lens.whole()),
      button("+", "zoom in (+)", () => page.room.lens.in()),
      button("Keys", "all keys (?)", () => page.help.showModal()),
    );
  }

  /** Show what is on and off. */
  update() {
    const { player, comparison, stimulus, contrast } = this.page;
    say(this.play, player.isPlaying ? "Pause" : "Play");
    this.speed.value = String(player.speed);
    this.step.value = String(this.page.stepCount);
    const pressed = [
      [this.pin, comparison.pinnedIndex !== undefined],
      [this.flip, comparison.share === 1],
      [this.wipe, comparison.isWiping],
      [this.minusPinned, comparison.mode === "pinned"],
      [this.minusEarlier, comparison.mode === "earlier"],
      [this.film, stimulus.isOn],
      [this.contrast, !contrast.root.hidden],
    ];
    for (const [control, isOn] of pressed) control.setAttribute("aria-pressed", String(isOn));
    this.wiping.hidden = !comparison.isWiping;
  }
}
