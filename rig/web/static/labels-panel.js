// The panel beside the pictures: the chosen label, the list of all, and whether they are saved.

import { element, say } from "./dom.js";
import { button, choice } from "./fields.js";
import { FILTERS } from "./labels.js";
import { Editor } from "./labels-editor.js";
import { LabelList } from "./labels-list.js";

const STATES = { saved: "saved", saving: "saving …", failed: "NOT SAVED" };

export class Panel {
  /** @param {import("./annotate.js").Labelling} labelling */
  constructor(labelling) {
    this.labelling = labelling;
    this.state = element("output", { class: "save-state", role: "status" });
    this.problems = element("p", { class: "label-problem", role: "alert" });
    this.kept = element("div", { role: "alert" });
    this.editor = new Editor(labelling);
    this.filters = choice(Object.keys(FILTERS), "which labels are listed", () => this.show());
    this.count = element("span", {});
    this.list = new LabelList("labels", (label) => labelling.goTo(label));
    this.others = element("div", { class: "other-labels" });
    this.title = element("h2", {});
    this.root = element("aside", { class: "labels", "aria-label": "Labels" }, ...this.#parts());
  }

  #parts() {
    const { labelling } = this;
    this.undo = button("Undo", "undo (z)", () => labelling.undo());
    this.undo.classList.add("push");
    this.redo = button("Redo", "redo (y)", () => labelling.redo());
    this.close = button("Close labelling …", "these labels are the last word", () => this.#askToClose());
    const head = element("div", { class: "label-head" }, this.title, this.state);
    const foot = element("div", { class: "row" }, this.filters, this.count, this.undo, this.redo);
    return [head, this.problems, this.kept, this.editor.root, foot, this.list.root, this.others, this.close];
  }

  /** Labels that are listed. */
  get filter() {
    return FILTERS[this.filters.value];
  }

  show() {
    const { told, labels } = this.labelling;
    say(this.title, `Labels of ${told.coder}`);
    this.editor.show();
    const listed = labels.all.filter(this.filter);
    say(this.count, `${listed.length} of ${labels.all.length}`);
    this.undo.disabled = told.closed || !labels.past.length;
    this.redo.disabled = told.closed || !labels.future.length;
    this.list.show(listed, labels.chosenId);
    this.#showOthers(told);
    this.close.hidden = told.closed;
    this.showState();
  }

  /** Shown anew when they are told anew. */
  #showOthers(told) {
    if (told === this.shownOthers) return;
    this.shownOthers = told;
    const parts = Object.entries(told.others).map(([coder, labels]) => {
      const list = new LabelList(`labels of ${coder}`, (label) => this.labelling.look(label, label.onset));
      list.show(labels);
      return element("section", {}, element("h3", {}, `Labels of ${coder}`), list.root);
    });
    const problems = told.problems.map((text) => element("p", { class: "label-problem" }, text));
    this.others.replaceChildren(...parts, ...problems);
  }

  /** Whether what is on the screen is on the disk. */
  showState() {
    const { saving, told } = this.labelling;
    const word = told?.closed ? "closed" : STATES[saving.state];
    say(this.state, saving.reason ? `${word}: ${saving.reason}` : word);
    this.state.dataset.state = saving.state;
  }

  problem(words) {
    say(this.problems, words);
  }

  /** Say what must have been read: it stays until it is dismissed. */
  keep(words) {
    const dismiss = button("Dismiss", "it was read", () => said.remove());
    const said = element("div", {}, element("p", { class: "label-problem" }, words), dismiss);
    this.kept.append(said);
  }

  get texts() {
    return this.editor.texts;
  }

  toggleUncertain() {
    this.labelling.edit((labels) => labels.change({ uncertain: !labels.chosen?.uncertain }));
  }

  async #askToClose() {
    const { saving, labels } = this.labelling;
    if (saving.state !== "saved") return this.problem("Not everything is saved yet");
    const seen = await this.labelling.whoSees();
    const answer = (words, act) => button(words, "", () => (dialog.close(), act()));
    const dialog = element(
      "dialog",
      { class: "help ask", "aria-label": "Close labelling", on: { close: () => dialog.remove() } },
      element("h2", {}, `Close with ${labels.all.length} ${labels.all.length === 1 ? "label" : "labels"}?`),
      element("p", {}, `What is closed can never be changed again. ${seen}`),
      element("div", { class: "row" }, answer("Go on labelling", () => {}), answer("Close for ever", () => this.labelling.close())),
    );
    document.body.append(dialog);
    dialog.showModal();
  }
}
