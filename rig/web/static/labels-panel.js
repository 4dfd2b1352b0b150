// The panel beside the pictures: the chosen label, the list of all, and whether they are saved.

import { button } from "./controls.js";
import { element, say } from "./dom.js";
import { FILTERS, MARKS, areAus, missing } from "./labels.js";

const TYPING_MS = 400; // after the last letter it is saved
const MOST_LETTERS = 4000;
const STATES = { saved: "saved", saving: "saving …", failed: "NOT SAVED" };

export class Panel {
  /** @param {import("./annotate.js").Labelling} labelling */
  constructor(labelling) {
    this.labelling = labelling;
    this.state = element("output", { class: "save-state", role: "status" });
    this.problems = element("p", { class: "label-problem", role: "alert" });
    this.editor = new Editor(labelling);
    this.filters = element(
      "select",
      { "aria-label": "which labels are listed", on: { change: () => this.show() } },
      ...Object.keys(FILTERS).map((name) => element("option", {}, name)),
    );
    this.count = element("span", {});
    this.list = element("ol", { class: "label-list", "aria-label": "labels" });
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
    return [head, this.problems, this.editor.root, foot, this.list, this.others, this.close];
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
    this.#showList(this.list, listed, (label) => this.labelling.goTo(label));
    this.#showOthers(told);
    this.close.hidden = told.closed;
    this.showState();
  }

  #showList(list, labels, act) {
    const { chosenId } = this.labelling.labels;
    const items = labels.map((label) => {
      const item = button("", "go there", () => act(label));
      item.append(...wordsOf(label));
      if (label.id === chosenId) item.setAttribute("aria-current", "true");
      return element("li", {}, item);
    });
    const focused = list.contains(document.activeElement) ? [...list.children].findIndex((li) => li.contains(document.activeElement)) : -1;
    list.replaceChildren(...items);
    if (focused >= 0) list.children[focused]?.firstElementChild.focus();
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  }

  #showOthers({ others, problems }) {
    const parts = Object.entries(others).map(([coder, labels]) => {
      const list = element("ol", { class: "label-list" });
      this.#showList(list, labels, ({ run, onset }) => this.labelling.page.go({ run, pulse: onset }));
      return element("section", {}, element("h3", {}, `Labels of ${coder}`), list);
    });
    this.others.replaceChildren(...parts, ...problems.map((text) => element("p", { class: "label-problem" }, text)));
  }

  /** Whether what is on the screen is on the disk. */
  showState() {
    const { saver, told } = this.labelling;
    const word = told?.closed ? "closed" : STATES[saver.state];
    say(this.state, saver.reason ? `${word}: ${saver.reason}` : word);
    this.state.dataset.state = saver.state;
  }

  problem(words) {
    say(this.problems, words);
  }

  focus(name) {
    this.editor.focus(name);
  }

  toggleUncertain() {
    this.labelling.edit((labels) => labels.change({ uncertain: !labels.chosen?.uncertain }));
  }

  #askToClose() {
    const { saver, labels } = this.labelling;
    if (saver.state !== "saved") return this.problem("Not everything is saved yet");
    const answer = (words, act) => button(words, "", () => (dialog.close(), act()));
    const dialog = element(
      "dialog",
      { class: "help ask", "aria-label": "Close labelling", on: { close: () => dialog.remove() } },
      element("h2", {}, `Close with ${labels.all.length} ${labels.all.length === 1 ? "label" : "labels"}?`),
      element("p", {}, "They can never be changed again. You will see the labels of others who have closed, and they yours."),
      element("div", { class: "row" }, answer("Go on labelling", () => {}), answer("Close for ever", () => this.labelling.close())),
    );
    document.body.append(dialog);
    dialog.showModal();
  }
}

/** The chosen label, field by field. */
class Editor {
  constructor(labelling) {
    this.labelling = labelling;
    this.marks = new Map(MARKS.map((mark, n) => [mark, this.#mark(mark, n + 1)]));
    this.kinds = element("div", { class: "kinds", role: "group", "aria-label": "kind" });
    this.offered = element("datalist", { id: "emotions" });
    this.texts = {
      emotion: this.#text("input", "emotion", { type: "text" }),
      aus: this.#text("input", "aus", { type: "text", placeholder: "1+2  R12  L14C" }),
      note: this.#text("textarea", "note", { rows: 1 }),
    };
    this.texts.emotion.setAttribute("list", "emotions");
    this.uncertain = element("input", { type: "checkbox", on: { change: () => this.#commit("uncertain", this.uncertain.checked) } });
    this.root = element("fieldset", {}, ...this.#parts());
  }

  #parts() {
    const { labelling } = this;
    this.which = element("legend", {});
    const named = (words, control) => element("label", {}, element("span", {}, words), control);
    this.loop = button("Loop", "onset to offset at 0.1× (r)", () => labelling.loop());
    this.remove = button("Delete", "delete the label (Delete)", () => labelling.edit((labels) => labels.remove()));
    this.remove.classList.add("push");
    const last = element("div", { class: "row" }, named("uncertain", this.uncertain), this.loop, this.remove);
    const marks = element("div", { class: "mark-rows" }, ...[...this.marks.values()].flatMap(({ parts }) => parts));
    const texts = [named("emotion", this.texts.emotion), named("AUs", this.texts.aus), named("note", this.texts.note)];
    return [this.which, marks, this.kinds, this.offered, ...texts, last];
  }

  #mark(mark, key) {
    const { labelling } = this;
    const set = button(`${mark} (${key})`, `${mark} at the moment shown`, () => labelling.mark(mark));
    const go = button("", `go to the ${mark}`, () => labelling.goTo(labelling.labels.chosen, mark));
    const clear = button("×", `take the ${mark} away`, () => labelling.edit((labels) => labels.change({ [mark]: null })));
    clear.setAttribute("aria-label", `take the ${mark} away`);
    return { set, go, clear, parts: [set, go, clear] };
  }

  /** A field that is saved when it is left, or when nothing was typed for a moment. */
  #text(tag, name, properties) {
    const commit = () => {
      clearTimeout(this.timer);
      this.#commit(name, field.value.toWellFormed(), `${this.labelling.labels.chosenId} ${name}`);
    };
    const onKey = (event) => {
      if (event.key === "Escape" || (event.key === "Enter" && tag === "input")) field.blur();
    };
    const onInput = () => {
      clearTimeout(this.timer);
      this.timer = setTimeout(commit, TYPING_MS);
    };
    const field = element(tag, { ...properties, maxLength: MOST_LETTERS, dir: "auto", on: { change: commit, input: onInput, keydown: onKey } });
    return field;
  }

  #commit(name, value, mergeKey) {
    const { chosen } = this.labelling.labels;
    if (!chosen || chosen[name] === value) return;
    if (name === "aus" && !areAus(value, this.labelling.told.action_units)) {
      return this.labelling.problem(`“${value}” are no action units: numbers of FACS as in 1+2, R12, L14C+25. Not saved`);
    }
    this.labelling.edit((labels) => labels.change({ [name]: value }, mergeKey));
  }

  focus(name) {
    if (this.labelling.labels.chosen) this.texts[name].focus();
    else this.labelling.problem("Choose or begin a label first");
  }

  show() {
    const { labels, told } = this.labelling;
    const { chosen } = labels;
    const place = chosen ? labels.all.indexOf(chosen) + 1 : 0;
    say(this.which, chosen ? `label ${place}, run ${chosen.run}` : "1, 2 or 3 begins a label");
    for (const mark of MARKS) this.#showMark(mark, chosen, told.closed);
    this.#showKinds(told.kinds, chosen, told.closed);
    if (!this.offered.childElementCount) this.offered.append(...told.emotions.map((value) => element("option", { value })));
    for (const [name, field] of Object.entries(this.texts)) this.#showText(name, field, chosen);
    this.uncertain.checked = chosen?.uncertain ?? false;
    for (const control of [...Object.values(this.texts), this.uncertain, this.remove]) control.disabled = !chosen || told.closed;
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
      const made = kinds.map((kind, n) => button(kind, `${kind} (${n + 4})`, () => this.#commit("kind", kind)));
      this.kinds.append(...made);
    }
    [...this.kinds.children].forEach((control, n) => {
      control.disabled = !chosen || isClosed;
      control.setAttribute("aria-pressed", String(chosen?.kind === kinds[n]));
    });
  }

  /** What is being typed is left alone. */
  #showText(name, field, chosen) {
    const isTyped = document.activeElement === field && this.shownId === chosen?.id;
    if (!isTyped) field.value = chosen?.[name] ?? "";
    if (name === "note") this.shownId = chosen?.id;
  }
}

function wordsOf(label) {
  const marks = MARKS.map((mark) => label[mark] ?? "–").join(" · ");
  const said = [label.emotion, label.aus].filter(Boolean).join(" ");
  const parts = [element("b", {}, marks), ` ${label.kind} `, element("bdi", {}, said)];
  if (label.uncertain) parts.push(element("span", { class: "flag", title: "uncertain" }, " ?"));
  if (missing(label).length) parts.push(element("span", { class: "flag" }, ` no ${missing(label).join(", no ")}`));
  return parts;
}
