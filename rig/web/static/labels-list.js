// A list of labels to go to. What stands in it is kept from one showing to the next: nobody clicks on what is replaced.

import { element } from "./dom.js";
import { marksOf, missing } from "./labels.js";

export class LabelList {
  /** @param {(label: import("./labels.js").Label) => void} act called with the label that was chosen */
  constructor(name, act) {
    this.act = act;
    this.root = element("ol", { class: "label-list", "aria-label": name });
    this.items = new Map(); // by id
  }

  /** Show these labels, the one with `chosenId` as the chosen one. */
  show(labels, chosenId) {
    const before = this.items;
    this.items = new Map(labels.map((label) => [label.id, before.get(label.id) ?? this.#item(label.id)]));
    for (const [id, { root }] of before) if (!this.items.has(id)) root.remove();
    labels.forEach((label, n) => this.#place(label, n, chosenId));
    this.root.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  /**
   * By mouse it is chosen when the button goes down, and does not take the focus: a field that is left then is saved, the
   * list changes, and the button may come up over another one.
   */
  #item(id) {
    const act = () => this.act(this.items.get(id).label);
    const onPress = (event) => {
      event.preventDefault();
      if (event.button !== 0) return;
      document.activeElement.blur();
      act();
    };
    const onClick = ({ detail }) => detail === 0 && act();
    const on = { mousedown: onPress, click: onClick };
    const control = element("button", { type: "button", title: "go there", on });
    return { control, root: element("li", {}, control) };
  }

  #place(label, n, chosenId) {
    const item = this.items.get(label.id);
    if (item.label !== label) item.control.replaceChildren(...wordsOf(label));
    item.label = label;
    if (label.id === chosenId) item.control.setAttribute("aria-current", "true");
    else item.control.removeAttribute("aria-current");
    if (this.root.children[n] !== item.root) this.root.insertBefore(item.root, this.root.children[n] ?? null);
  }
}

function wordsOf(label) {
  const said = [label.emotion, label.aus].filter(Boolean).join(" ");
  const parts = [element("b", {}, marksOf(label)), ` ${label.kind} `, element("bdi", {}, said)];
  if (label.uncertain) parts.push(element("span", { class: "flag", title: "uncertain" }, " ?"));
  if (missing(label).length) parts.push(element("span", { class: "flag" }, ` no ${missing(label).join(", no ")}`));
  return parts;
}
