// The words of the chosen label. What was typed stays in its field until it is in the label, or is left by Escape.

import { element } from "./dom.js";
import { areAus, tidyAus } from "./labels.js";

const TYPING_MS = 400; // after the last letter it is taken
const MOST_LETTERS = 4000;
const NAMES = { emotion: "emotion", aus: "AUs", note: "note" };
const OVERTAKEN = "was changed meanwhile in another window: Enter or a further letter here saves it";

const keyOf = (id, name) => `${id} ${name}`;

export class Texts {
  /** @param {import("./annotate.js").Labelling} labelling */
  constructor(labelling) {
    this.labelling = labelling;
    this.drafts = new Map(); // by keyOf: {id, name, text, problem}, of what is not in the label; "": still being typed
    this.fields = {
      emotion: this.#field("input", "emotion", { type: "text" }),
      aus: this.#field("input", "aus", { type: "text", placeholder: "1+2  R12  L14C" }),
      note: this.#field("textarea", "note", { rows: 1 }),
    };
    this.fields.emotion.setAttribute("list", "emotions");
  }

  #field(tag, name, properties) {
    const on = {
      input: () => this.#onInput(name),
      blur: () => this.#onBlur(),
      keydown: (event) => this.#onKey(event, name),
    };
    return element(tag, { ...properties, maxLength: MOST_LETTERS, dir: "auto", on });
  }

  /** What was typed into labels that there are, and is in none of them. */
  get pending() {
    return [...this.drafts.values()].filter(({ id }) => this.labelling.labels.of(id));
  }

  /** Why something typed is not taken, in short; "" when all is, or will be. */
  get problem() {
    const refused = this.pending.find(({ problem }) => problem);
    if (!refused) return "";
    const { labels } = this.labelling;
    const where = refused.id === labels.chosenId ? "" : `label ${labels.numberOf(refused.id)}, `;
    return `${where}${NAMES[refused.name]} “${refused.text}”`;
  }

  #onInput(name) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.commit(), TYPING_MS);
    const { chosenId } = this.labelling.labels;
    this.drafts.set(keyOf(chosenId, name), { id: chosenId, name, text: this.fields[name].value, problem: "" });
    this.#changed();
  }

  #onBlur() {
    this.commit();
    this.#changed();
  }

  /** Enter keeps a refused text to be mended; Escape gives it up. */
  #onKey(event, name) {
    if (event.isComposing || !(event.key === "Escape" || (event.key === "Enter" && name !== "note"))) return;
    const key = keyOf(this.labelling.labels.chosenId, name);
    if (this.drafts.has(key)) this.#take(this.drafts.get(key));
    const refused = this.drafts.get(key);
    if (refused && event.key === "Enter") return;
    if (refused) this.labelling.problem(`“${refused.text}” was given up`);
    this.drafts.delete(key);
    this.fields[name].blur();
  }

  /** Take what is typed for the chosen label; what cannot be taken stays in its field, and so does what was overtaken. */
  commit() {
    clearTimeout(this.timer);
    const { chosenId } = this.labelling.labels;
    for (const draft of this.pending) if (draft.id === chosenId && draft.problem !== OVERTAKEN) this.#take(draft);
  }

  #take(draft) {
    const { id, name, text } = draft;
    const value = name === "aus" ? tidyAus(text) : text.toWellFormed();
    if (name === "aus" && !areAus(value, this.labelling.told.action_units)) {
      draft.problem = `“${text}” are no action units: numbers of FACS as in 1+2, R12, L14C+25. Not saved`;
      this.labelling.problem(draft.problem);
    } else {
      this.drafts.delete(keyOf(id, name));
      this.labelling.edit((labels) => labels.put({ ...labels.of(id), [name]: value }, keyOf(id, name)));
    }
    this.#changed();
  }

  /** Keep texts that the disk did not take, each in its field. @returns {object[]} those whose label is gone, or closed */
  keep(typed) {
    const { labels, isClosed } = this.labelling;
    for (const { id, name, text } of typed) this.drafts.set(keyOf(id, name), { id, name, text, problem: OVERTAKEN });
    const gone = [...this.drafts.values()].filter(({ id }) => isClosed || !labels.of(id));
    for (const { id, name } of gone) this.drafts.delete(keyOf(id, name));
    return gone;
  }

  #changed() {
    this.show();
    this.labelling.panel.showState();
  }

  /** What is being typed is left alone. */
  show() {
    const { labels, isClosed } = this.labelling;
    const { chosen } = labels;
    for (const [name, field] of Object.entries(this.fields)) {
      const draft = this.drafts.get(keyOf(chosen?.id, name));
      const isTyped = document.activeElement === field && this.shownId === chosen?.id;
      if (!isTyped) field.value = draft?.text ?? chosen?.[name] ?? "";
      field.setAttribute("aria-invalid", String(Boolean(draft?.problem)));
      field.title = draft?.problem ?? "";
      field.readOnly = !chosen || isClosed; // it takes keys that would move the page
    }
    this.shownId = chosen?.id;
  }
}
