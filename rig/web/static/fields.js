// Buttons, lists and number fields that give the focus back after a mouse, so that the keys go on moving the page.

import { element } from "./dom.js";

/** A button. It lets the focus go before it acts: a dialog that it opens gives the focus back to who had it then. */
export function button(words, hint, act) {
  const onClick = (event) => {
    if (event.detail > 0) event.currentTarget.blur();
    act();
  };
  return element("button", { type: "button", title: hint, on: { click: onClick } }, words);
}

/** A list to choose from; whoever opened it by mouse has the keys again once it is chosen. `unit`: behind each value. */
export function choice(values, name, act = () => {}, unit = "") {
  let isByMouse = false;
  const onChange = ({ currentTarget }) => {
    if (isByMouse) currentTarget.blur();
    act(currentTarget.value);
  };
  const on = {
    pointerdown: () => (isByMouse = true),
    blur: () => (isByMouse = false),
    change: onChange,
    keydown: leave,
  };
  const options = values.map((value) => element("option", { value: String(value) }, `${value}${unit}`));
  return element("select", { "aria-label": name, on }, ...options);
}

/** A whole number from 1 to `most`. */
export function number(value, most, act) {
  const onChange = ({ currentTarget }) => {
    currentTarget.value = String(Math.min(Math.max(Math.round(Number(currentTarget.value)) || 1, 1), most));
    act(Number(currentTarget.value));
  };
  const on = { change: onChange, keydown: leave };
  return element("input", { type: "number", min: "1", max: String(most), value, on });
}

export const labelled = (words, ...controls) => element("label", {}, element("span", {}, words), ...controls);

/** Enter and Escape give the keys back to the page. */
export function leave(event) {
  if (event.key === "Enter" || event.key === "Escape") event.currentTarget.blur();
}
