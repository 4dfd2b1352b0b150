// The labelling page: the viewer's pictures, and the labels of the coder whose link it is.

import { getJson, getSession, isAbort } from "./api.js";
import { showFailure } from "./failure.js";
import { Labels, NONE_CHOSEN, firstPulse, missing, textsBeyond } from "./labels.js";
import { labelKeys } from "./labels-keys.js";
import { Panel } from "./labels-panel.js";
import { Saver } from "./labels-saver.js";
import { Page } from "./page.js";
import { noMore } from "./words.js";

class Labelling {
  /** @returns {Promise<Labelling>} the page, at its first moment */
  static async open() {
    const told = await getSession(false); // before the labels: they are then of no other session
    const labelling = new Labelling();
    await labelling.load();
    const keys = [{ title: "Label", keys: labelKeys(labelling) }];
    labelling.page = await Page.open({ isFilmOn: false, aside: labelling.panel.root, keys, told });
    labelling.page.onStop = (kind, place) => kind === "label" && labelling.chooseAt(place);
    labelling.show();
    labelling.page.begin();
    return labelling;
  }

  constructor() {
    this.labels = new Labels();
    this.saver = new Saver((why) => this.reload(why));
    this.panel = new Panel(this);
    this.labels.onChange = (isOther) => {
      if (isOther) this.saver.save(this.labels.all);
      this.show();
    };
    this.saver.onState = () => this.panel.showState();
    addEventListener("beforeunload", (event) => {
      this.panel.texts.commit();
      if (this.saving.state !== "saved") event.preventDefault();
    });
  }

  /** Take what is on the disk. @returns {object[]} what was typed here and is not on it: {id, name, text} */
  async load() {
    const told = await getJson("/api/labels");
    this.panel.texts.commit();
    const typed = textsBeyond(this.labels.all, this.saver.onDisk);
    this.told = told;
    this.labels.load(told.labels);
    this.saver.loaded(told.revision, told.labels);
    return typed;
  }

  /** Somebody else has saved or closed: what was marked here last is not on the disk, and is not shown as if it were. */
  async reload(why) {
    try {
      const gone = this.panel.texts.keep(await this.load()).map(({ text }) => `“${text}”`);
      this.show();
      this.problem(`Your last change was NOT saved: ${why}${gone.length ? `. You had typed: ${gone.join(", ")}` : ""}`);
    } catch (error) {
      this.problem(`NOT saved, and what is on the disk cannot be read: ${error.message}. Reload the page`);
    }
  }

  /** {state, reason}: whether what is on the screen, and what is being typed, is on the disk. */
  get saving() {
    const { pending, problem } = this.panel.texts;
    if (this.saver.state === "failed" || !pending.length) return this.saver;
    return problem ? { state: "failed", reason: problem } : { state: "saving", reason: "" };
  }

  get isClosed() {
    return this.told.closed;
  }

  /** Show labels on panel and time line. */
  show() {
    this.panel.show();
    const others = Object.values(this.told.others).flat();
    this.page?.setLabels([...this.labels.all, ...others]);
  }

  problem(words) {
    this.panel.problem(words);
  }

  /** Do something to the labels; what is wrong with it is said beside them. */
  edit(act) {
    if (this.isClosed) return this.problem("These labels are closed: nothing can be changed any more");
    this.problem("");
    try {
      act(this.labels);
    } catch (error) {
      this.problem(error.message);
    }
  }

  /** Mark the moment that is on the tiles. */
  mark(name) {
    if (!this.page.display.shown) return this.problem("Nothing is shown yet: nothing was marked");
    if (this.page.comparison.share === 1) return this.problem("The pinned picture is shown: b first, then mark");
    const before = this.labels.chosen;
    this.edit((labels) => labels.mark(name, this.page.shownPlace));
    this.#sayIfLonger(before);
  }

  /** A mark outside a label that had all its own may have been meant for another expression. */
  #sayIfLonger(before) {
    const now = before && this.labels.of(before.id);
    if (!now || missing(before).length || (now.onset >= before.onset && now.offset <= before.offset)) return;
    const which = `Label ${this.labels.numberOf(now.id)}`;
    this.problem(`${which} now lasts from ${now.onset} to ${now.offset}: z takes it back, Enter first marks another`);
  }

  /** Choose the label that begins at a place, so that marks made there are its own. */
  chooseAt({ run, pulse }) {
    this.labels.choose(this.labels.all.find((label) => label.run === run && firstPulse(label) === pulse)?.id);
  }

  /** To a field of the chosen label, or else of the one that lies at the moment shown. */
  write(field) {
    const { labels } = this;
    if (!labels.chosen) labels.choose(labels.at(this.page.shownPlace)?.id);
    this.problem(labels.chosen ? "" : `${NONE_CHOSEN}. Esc gives the keys back`);
    this.panel.texts.fields[field].focus();
  }

  undo() {
    this.edit((labels) => labels.undo() || this.problem("Nothing to undo"));
  }

  redo() {
    this.edit((labels) => labels.redo() || this.problem("Nothing to redo"));
  }

  /** Choose a label and go to one of its marks, or to its first one. */
  goTo(label, mark) {
    this.problem("");
    this.panel.texts.commit();
    this.labels.choose(label.id);
    this.look(label, mark ? label[mark] : firstPulse(label));
  }

  /** Go to a pulse of a label, or stay if there is none. */
  async look({ run }, pulse) {
    if (!Number.isFinite(pulse)) return;
    try {
      await this.page.go({ run, pulse });
    } catch (error) {
      if (!isAbort(error)) this.problem(error.message);
    }
  }

  goToNext(direction) {
    const found = this.labels.next(direction, this.panel.filter, this.page.shownPlace);
    if (found) this.goTo(found);
    else this.problem(noMore("label in the list", direction));
  }

  /** Onset to offset again and again, slowly; once more: stop. */
  loop() {
    const { page } = this;
    const { chosen } = this.labels;
    if (page.player.range) return page.player.pause();
    if (chosen?.onset == null || chosen.offset == null) return this.problem("A loop needs a label with onset and offset");
    const [from, to] = [chosen.onset, chosen.offset].map((pulse) => page.axis.indexOf({ run: chosen.run, pulse }));
    page.player.loop(from, to);
  }

  /** The coder's last word; afterwards the labels of others who have closed are shown. */
  async close() {
    try {
      await this.saver.close();
      await this.load();
      this.show();
    } catch (error) {
      this.problem(error.message);
    }
  }
}

try {
  await Labelling.open();
} catch (error) {
  showFailure(error);
}
