// One table of keys: it moves the page, and it is what the ? overlay shows.

import { element } from "./dom.js";

/**
 * @typedef {object} Key
 * @property {string} keys as KeyboardEvent.key, but "Space"; several by blanks; "Shift+" and "Alt+" before longer names
 * @property {string} words what it does
 * @property {(event: KeyboardEvent) => void} act
 * @property {(event: KeyboardEvent) => void} [release]
 */

const NAMES = { ArrowLeft: "←", ArrowRight: "→", ArrowUp: "↑", ArrowDown: "↓", PageUp: "Page ↑", PageDown: "Page ↓" };
const MOUSE =
  "Mouse: the wheel zooms pictures and time line at the pointer; drag a picture to move it, double-click it to give " +
  "it the large place; drag along the time line to scrub, Shift and wheel move it.";
const TYPED = "input:not([type=range],[type=checkbox]), select, textarea, [contenteditable]";

const nameOf = (event) => {
  const name = event.key === " " ? "Space" : event.key;
  const held = event.altKey && !isTyped(event) ? "Alt+" : "";
  return `${held}${event.shiftKey && name.length > 1 ? "Shift+" : ""}${name}`;
};

/** Whether Alt is held for a sign alone, as for [ on many keyboards. */
const isTyped = (event) => event.getModifierState("AltGraph");

export class Keys {
  /**
   * @param {{title: string, keys: Key[]}[]} groups
   * @param {(event: KeyboardEvent, act: (event: KeyboardEvent) => void) => void} around calls what a key does
   */
  constructor(groups, around) {
    Object.assign(this, { groups, around });
    this.byName = new Map(
      groups.flatMap(({ keys }) => keys).flatMap((key) => key.keys.split(" ").map((name) => [name, key])),
    );
    document.addEventListener("keydown", (event) => this.#on(event, "act"));
    document.addEventListener("keyup", (event) => this.#on(event, "release"));
  }

  #on(event, what) {
    if ((event.ctrlKey && !isTyped(event)) || event.metaKey || belongsTo(event)) return;
    const act = this.byName.get(nameOf(event))?.[what];
    if (!act) return;
    event.preventDefault();
    this.around(event, act);
  }

  /** The table for people, to be shown over the page. */
  dialog() {
    const close = element("form", { method: "dialog" }, element("button", {}, "Close"));
    const parts = [element("h2", {}, "Keys"), this.#table(), element("p", {}, MOUSE), close];
    return element("dialog", { class: "help", "aria-label": "Keys" }, ...parts);
  }

  #table() {
    const rows = ({ keys, words }) => {
      const names = keys.split(" ").map((name) => element("kbd", {}, readable(name)));
      return element("tr", {}, element("th", {}, ...names), element("td", {}, words));
    };
    const parts = this.groups.map(({ title, keys }) =>
      element("section", {}, element("h3", {}, title), element("table", {}, element("tbody", {}, ...keys.map(rows)))),
    );
    return element("div", { class: "key-groups" }, ...parts);
  }
}

const readable = (name) =>
  name
    .replace(/Arrow(Left|Right|Up|Down)|PageUp|PageDown/, (key) => NAMES[key])
    .replace("Shift+", "⇧ ")
    .replace("Alt+", "Alt ");

/** Whether a key is for the control that has the focus. */
function belongsTo({ target, key, altKey }) {
  if (!(target instanceof Element)) return false;
  if (target.closest(TYPED) || document.querySelector("dialog[open]")) return true;
  if (target.matches("input[type=range]")) return !altKey && /^(Arrow|Page|Home|End)/.test(key);
  return target.matches("button, a, summary, input[type=checkbox]") && (key === " " || key === "Enter");
}
