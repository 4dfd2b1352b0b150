// The labels of one coder: what may be marked where, and every state there was, for undo and redo. No page, no server.

export const MARKS = ["onset", "apex", "offset"];
const TEXTS = ["emotion", "aus", "note"];
export const FILTERS = {
  all: () => true,
  unlabelled: (label) => missing(label).length > 0 || (!label.emotion && !label.aus),
  uncertain: (label) => label.uncertain,
};
export const NONE_CHOSEN = "No label is chosen: 1, 2 or 3 begins one, u goes to the next";
const AU = /^[LRTB]?([1-9]\d?)[A-E]?$/;

/** @typedef {{id: string, run: number, onset: ?number, apex: ?number, offset: ?number, kind: string, emotion: string,
 *   aus: string, note: string, uncertain: boolean}} Label */

export const missing = (label) => MARKS.filter((mark) => label[mark] === null);
export const firstPulse = (label) => label.onset ?? label.apex ?? label.offset ?? Infinity;
const lastPulse = (label) => label.offset ?? label.apex ?? label.onset ?? -Infinity;

/** Why the marks cannot stand so; "" when they can. */
export function orderProblem(label) {
  const marked = MARKS.filter((mark) => label[mark] !== null);
  const at = marked.findIndex((mark, n) => n > 0 && label[marked[n - 1]] > label[mark]);
  if (at < 0) return "";
  const [one, other] = [marked[at - 1], marked[at]];
  return `${one} ${label[one]} would lie after ${other} ${label[other]}: onset ≤ apex ≤ offset`;
}

/** Whether a text is a sum of action units, as `1+2`, `R12`, `L14C+25`, of these numbers; or empty. */
export function areAus(text, numbers) {
  return text === "" || text.split("+").every((part) => numbers.includes(Number(AU.exec(part)?.[1])));
}

/** Action units as they are written: in capitals, without blanks. */
export const tidyAus = (text) => text.trim().replace(/\s*\+\s*/g, "+").toUpperCase();

/** A label without marks. */
export function newLabel(run, kind) {
  const id = [...crypto.getRandomValues(new Uint8Array(6))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return { id, run, onset: null, apex: null, offset: null, kind, emotion: "", aus: "", note: "", uncertain: false };
}

const byPlace = (one, other) => one.run - other.run || firstPulse(one) - firstPulse(other) || one.id.localeCompare(other.id);

/** Its marks, in words. */
export const marksOf = (label) => MARKS.map((mark) => label[mark] ?? "–").join(" · ");

const byId = (labels) => new Map(labels.map((label) => [label.id, label]));
const isSame = (one, other) =>
  one === other || Boolean(one && other && Object.entries(one).every(([name, value]) => other[name] === value));

/** Labels that came, changed or went from `before` to `now`, as they are now, or else were. */
export function changed(before, now) {
  const [was, is] = [byId(before), byId(now)];
  const ids = [...new Set([...was.keys(), ...is.keys()])];
  return ids.filter((id) => !isSame(was.get(id), is.get(id))).map((id) => is.get(id) ?? was.get(id));
}

/**
 * What is `there` now, with what was changed `here` since both were as `before`. A label that was changed here and there
 * stays as it is there; `isClosed`: so do all. `sent`: states of all labels that may have come there from here.
 * @returns {{all: Label[], refused: Label[]}} `refused`: what was changed here and is not in `all`
 */
export function merged({ before, sent, here, there, isClosed }) {
  const [was, own, all, ...ours] = [before, here, there, ...sent].map(byId);
  const refused = [];
  for (const id of new Set([was, own, ...ours].flatMap((labels) => [...labels.keys()]))) {
    const [wanted, found, old] = [own.get(id), all.get(id), was.get(id)];
    const isOurs = ours.some((labels) => isSame(labels.get(id), found));
    if (isSame(wanted, found) || (isSame(wanted, old) && !isOurs)) continue;
    if (isClosed || (found && !isOurs && !isSame(found, old))) refused.push(wanted ?? old ?? found);
    else if (wanted) all.set(id, wanted);
    else all.delete(id);
  }
  return { all: [...all.values()], refused };
}

/** Words of some labels that are not those of `others`: {id, name, text}. */
export function textsBeyond(labels, others) {
  const before = new Map(others.map((label) => [label.id, label]));
  const ofLabel = (label) => TEXTS.map((name) => ({ id: label.id, name, text: label[name] }));
  return labels.flatMap(ofLabel).filter(({ id, name, text }) => text !== (before.get(id)?.[name] ?? ""));
}

export class Labels {
  constructor() {
    this.onChange = () => {}; // called with whether the labels are others than before, not only the chosen one
    this.load([]);
  }

  /** Begin with these labels; there is nothing to undo. @param {Label[]} all */
  load(all) {
    this.all = [...all].sort(byPlace);
    this.past = [];
    this.future = [];
    this.mergeKey = undefined;
    if (!this.chosen) this.chosenId = undefined;
  }

  /** Begin with what is `there`, and go on from it to `all`; undo leads back to it. The chosen one stays chosen. */
  goOn(there, all) {
    const { chosenId } = this;
    this.load(there);
    if (all.some(({ id }) => id === chosenId)) this.chosenId = chosenId;
    if (changed(there, all).length) this.#become(all);
  }

  get chosen() {
    return this.of(this.chosenId);
  }

  /** The label with this id; undefined: there is none. */
  of(wanted) {
    return this.all.find(({ id }) => id === wanted);
  }

  /** Its place among all, from 1. */
  numberOf(wanted) {
    return this.all.findIndex(({ id }) => id === wanted) + 1;
  }

  choose(id) {
    this.chosenId = id;
    this.mergeKey = undefined;
    this.onChange(false);
  }

  /** Set a mark of the chosen label, or of a new one. Throws Error when it would be out of order, or in another run. */
  mark(name, { run, pulse }) {
    const label = this.#toMark(name, run, pulse);
    if (label.run !== run) throw new Error(`this label lies in run ${label.run}; Enter begins another`);
    this.put({ ...label, [name]: pulse });
  }

  /** Beyond the end of a label that has all its marks an onset begins the next one. */
  #toMark(name, run, pulse) {
    const { chosen } = this;
    const isBeyond = chosen && !missing(chosen).length && (run !== chosen.run || pulse > chosen.offset);
    return !chosen || (name === "onset" && isBeyond) ? newLabel(run, "micro") : chosen;
  }

  /**
   * Put a label in the place of the one with its id, or beside the others, and choose it. `mergeKey`: changes in a row
   * with the same one are undone together. Throws Error when its marks are out of order.
   */
  put(label, mergeKey) {
    const problem = orderProblem(label);
    if (problem) throw new Error(problem);
    const before = this.of(label.id);
    this.chosenId = label.id;
    if (isSame(label, before)) return;
    this.#become([...this.all.filter(({ id }) => id !== label.id), label], mergeKey);
  }

  /** Change fields of the chosen label. Throws Error when there is none, and as `put`. */
  change(fields, mergeKey) {
    this.#needsChosen();
    this.put({ ...this.chosen, ...fields }, mergeKey);
  }

  #needsChosen() {
    if (!this.chosen) throw new Error(NONE_CHOSEN);
  }

  /** Remove the chosen label. Throws Error when there is none. */
  remove() {
    this.#needsChosen();
    const rest = this.all.filter(({ id }) => id !== this.chosenId);
    this.chosenId = undefined;
    this.#become(rest);
  }

  #become(all, mergeKey) {
    if (mergeKey === undefined || mergeKey !== this.mergeKey) this.past.push(this.all);
    this.mergeKey = mergeKey;
    this.future = [];
    this.all = [...all].sort(byPlace);
    this.onChange(true);
  }

  /** @returns {boolean} whether there was something to undo */
  undo() {
    return this.#travel(this.past, this.future);
  }

  redo() {
    return this.#travel(this.future, this.past);
  }

  #travel(from, to) {
    if (!from.length) return false;
    const before = this.all;
    to.push(before);
    this.all = from.pop();
    this.mergeKey = undefined;
    this.chosenId = this.all.find((label) => !before.includes(label))?.id ?? this.chosen?.id;
    this.onChange(true);
    return true;
  }

  /** The label that lies at a place; of several the one that begins last; undefined: none. */
  at({ run, pulse }) {
    const lies = (label) => label.run === run && firstPulse(label) <= pulse && pulse <= lastPulse(label);
    return this.all.findLast(lies);
  }

  /** The next or previous label after the chosen one, or after a place, of those that `filter` lets through. */
  next(direction, filter, place) {
    const here = this.chosen ?? { ...newLabel(place.run, ""), onset: place.pulse, id: "" };
    const found = this.all.filter(filter);
    const isThere = (label) => direction * byPlace(label, here) > 0;
    return direction > 0 ? found.find(isThere) : found.findLast(isThere);
  }
}
