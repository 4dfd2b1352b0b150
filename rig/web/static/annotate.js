// The labelling page: the viewer's pictures, and the labels of the coder whose link it is.

import { getJson, getSession, isAbort } from "./api.js";
import { showFailure } from "./failure.js";
import { Labels, NONE_CHOSEN, changed, firstPulse, marksOf, merged, missing, textsBeyond } from "./labels.js";
import { labelKeys } from "./labels-keys.js";
import { Panel } from "./labels-panel.js";
import { Saver, isOvertaken } from "./labels-saver.js";
import { Page } from "./page.js";
import { noMore } from "./words.js";

const MOST_NAMED = 5;

class Labelling {
  /** @returns {Promise<Labelling>} the page, at its first moment */
  static async open() {
    const told = await getSession(false); // before the labels: they are then of no other session
    const labelling = new Labelling();
    await labelling.load();
    const keys = [{ title: "Label", keys: labelKeys(labelling) }];
    labelling.page = await Page.open({ isFilmOn: false, aside: labelling.panel.root, keys, told });
    labelling.page.onStop = (kind, place) => kind === "label" && labelling.chooseAt(place);
    labelling.page.unsaved = () => labelling.unsaved();
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

  /** Take what is on the disk. */
  async load() {
    this.told = await getJson("/api/labels");
    this.labels.load(this.told.labels);
    this.saver.loaded(this.told.revision, this.told.labels);
  }

  /** Somebody else has saved or closed: what was changed here is put beside it and saved, and what cannot be is named. */
  async reload(why) {
    const told = await getJson("/api/labels");
    const isOwn = told.coder === this.told.coder;
    if (!isOwn) throw new Error(`this browser is ${told.coder}'s now. Open your own address again, in another one`);
    this.panel.texts.commit();
    const { labels, saver } = this;
    const before = told.is_there ? saver.onDisk : []; // where the table is gone, nothing is on the disk
    const change = { before, sent: saver.sent, here: labels.all, there: told.labels, isClosed: told.closed };
    const { all, refused } = merged(change);
    const typed = textsBeyond(refused.filter(({ id }) => labels.of(id)), before);
    const deleted = refused.filter(({ id }) => !labels.of(id));
    this.told = told;
    saver.loaded(told.revision, told.labels);
    labels.goOn(told.labels, all);
    this.#sayRefused(why, refused, deleted, this.panel.texts.keep(typed));
    this.show();
  }

  #sayRefused(why, refused, deleted, gone) {
    if (!refused.length && !gone.length) {
      return this.problem("Your labels were changed in another window or program: they are here now, with what you did here");
    }
    const named = refused.slice(0, MOST_NAMED).map((label) => {
      return `${deleted.includes(label) ? "deletion of " : ""}run ${label.run}, ${marksOf(label)}`;
    });
    if (refused.length > MOST_NAMED) named.push(`and ${refused.length - MOST_NAMED} more`);
    const typed = gone.length ? `. You had typed: ${gone.map(({ text }) => `“${text}”`).join(", ")}` : "";
    this.panel.keep(`NOT saved of ${countOf(refused.length)}: ${named.join("; ")}. The table ${why}${typed}`);
  }

  /** How much is not saved while the session is away, and what becomes of it; "": all is. */
  unsaved() {
    this.panel.texts.commit();
    const count = changed(this.saver.onDisk, this.labels.all).length;
    return count ? `NOT SAVED: changes of ${countOf(count)}. Leave this page open: they are saved once it is there again` : "";
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

  /** In words, who sees what once these labels are closed. */
  async whoSees() {
    const { alone } = await getJson("/api/labels").catch(() => this.told);
    if (!alone) return "You will see the labels of others who have closed, and they yours.";
    return "No other coder has begun: from then on rig replay shows them to whoever opens the session.";
  }

  /** The coder's last word; afterwards the labels of others who have closed are shown. */
  async close() {
    try {
      await this.saver.close();
      await this.load();
      this.show();
    } catch (error) {
      await this.#notClosed(error);
    }
  }

  async #notClosed(error) {
    try {
      if (isOvertaken(error)) await this.reload(error.message);
      this.problem(error.message);
    } catch (again) {
      this.problem(again.message);
    }
  }
}

const countOf = (count) => `${count} ${count === 1 ? "label" : "labels"}`;

try {
  await Labelling.open();
} catch (error) {
  showFailure(error);
}
