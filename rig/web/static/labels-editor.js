// The chosen label, field by field.

import { element, say } from "./dom.js";
import { button, labelled } from "./fields.js";
import { FIRST_KIND } from "./labels-keys.js";
import { MARKS } from "./labels.js";
import { Texts } from "./labels-texts.js";
import { LOOP_SPEED } from "./player.js";

export class Editor {
  constructor(labelling) {
    this.labelling = labelling;
    this.marks = new Map(MARKS.map((mark, n) => [mark, this.#mark(mark, n + 1)]));
    this.kinds = element("div", { class: "kinds", role: "group", "aria-label": "kind" });
    this.offered = element("datalist", { id: "emotions" });
    this.texts = new Texts(labelling);
    this.uncertain = element("input", { type: "checkbox", on: { change: () => this.#change({ uncertain: this.uncertain.checked }) } });
    this.root = element("fieldset", {}, ...this.#parts());
  }

  #parts() {
    const { labelling } = this;
    this.which = element("legend", {});
    this.loop = button("Loop", `onset to offset at ${LOOP_SPEED}× (r)`, () => labelling.loop());
    this.remove = button("Delete", "delete the label (Delete)", () => labelling.edit((labels) => labels.remove()));
    this.remove.classList.add("push");
    const last = element("div", { class: "row" }, labelled("uncertain", this.uncertain), this.loop, this.remove);
    const marks = element("div", { class: "mark-rows" }, ...[...this.marks.values()].flatMap(({ parts }) => parts));
    const { emotion, aus, note } = this.texts.fields;
    const texts = [labelled("emotion", emotion), labelled("AUs", aus), labelled("note", note)];
    return [this.which, marks, this.kinds, this.offered, ...texts, last];
  }

  #mark(mark, key) {
    const { labelling } = this;
    const set = button(`${mark} (${key})`, `${mark} at the moment shown`, () => labelling.mark(mark));
    const go = button("", `go to the ${mark}`, () => labelling.goTo(labelling.labels.chosen, mark));
    const clear = button("×", `take the ${mark} away`, () => this.#change({ [mark]: null }));
    clear.setAttribute("aria-label", `take the ${mark} away`);
    return { set, go, clear, parts: [set, go, clear] };
  }

  #change(fields) {
    this.labelling.edit((labels) => labels.change(fields));
  }

  show() {
    const { labels, told } = this.labelling;
    const { chosen } = labels;
    say(this.which, chosen ? `label ${labels.numberOf(chosen.id)}, run ${chosen.run}` : "1, 2 or 3 begins a label");
    for (const mark of MARKS) this.#showMark(mark, chosen, told.closed);
    this.#showKinds(told.kinds, chosen, told.closed);
    if (!this.offered.childElementCount) this.offered.append(...told.emotions.map((value) => element("option", { value })));
    this.texts.show();
    this.uncertain.checked = chosen?.uncertain ?? false;
    for (const control of [this.uncertain, this.remove]) control.disabled = !chosen || told.closed;
    this.loop.disabled = !chosen || chosen.onset === null || chosen.offset === null;
  }

  #showMark(mark, chosen, isClosed) {
    const { set, go, clear } = this.marks.get(mark);
    const pulse = chosen?.[mark] ?? null;
    say(go, pulse === null ? "—" : `pulse ${pulse}`);
    go.disabled = pulse === null;
    clear.disabled = pulse === null || isClosed;
    set.disabled = isClosed;
  }

  #showKinds(kinds, chosen, isClosed) {
    if (!this.kinds.childElementCount) {
      const made = kinds.map((kind, n) => button(kind, `${kind} (${n + FIRST_KIND})`, () => this.#change({ kind })));
      this.kinds.append(...made);
    }
    [...this.kinds.children].forEach((control, n) => {
      control.disabled = !chosen || isClosed;
      control.setAttribute("aria-pressed", String(chosen?.kind === kinds[n]));
    });
  }
}
