// What both pages share: pictures, bar, time line, keys; and the place in the address.

import { getSession } from "./api.js";
import { Axis } from "./axis.js";
import { Comparison } from "./compare.js";
import { Contrast } from "./contrast.js";
import { Controls } from "./controls.js";
import { Display } from "./display.js";
import { element, say, throttled } from "./dom.js";
import { showGone } from "./failure.js";
import { Head } from "./head.js";
import { hashOf, nextStop, placeInHash, placeTyped, stopsOf } from "./jumps.js";
import { Keys } from "./keys.js";
import { pageKeys } from "./page-keys.js";
import { MOST_STEP, Player } from "./player.js";
import { Probe } from "./probe.js";
import { Room } from "./room.js";
import { Timeline } from "./timeline.js";
import { noMore, wordsOf } from "./words.js";

const NO_PULSE = "No pulse of this session is known: nothing can be shown. rig info SESSION tells what it holds.";
const SCRUBBING = { isMoving: true, isScrubbing: true };

export class Page {
  /**
   * The page of a session in `document.body`. `keys`: more groups of keys; `aside`: an element beside the pictures;
   * `told`: the answer of getSession, if it was asked already.
   * Throws Refused when the server tells no session.
   * @returns {Promise<Page>}
   */
  static async open({ keys = [], aside, isFilmOn = true, told } = {}) {
    const session = told ?? (await getSession(isFilmOn));
    if (!new Axis(session.runs).length) throw new Error(NO_PULSE);
    return new Page(session, { keys, aside, isFilmOn });
  }

  constructor(session, { keys, aside, isFilmOn }) {
    this.session = session;
    this.stimulus = { isOn: isFilmOn };
    this.toldFirst = session; // of a labelling page: what may be told while the film is off
    this.axis = new Axis(session.runs);
    this.stops = stopsOf(session, this.axis);
    this.stepCount = 1;
    this.room = new Room(session.streams, session.base, this.stimulus);
    const { tiles, film } = this.room;
    this.display = new Display(this.axis, tiles, film, session.streams, this.stimulus);
    this.player = new Player(this.axis, this.display, session);
    this.comparison = new Comparison(this.axis, this.display, [...tiles.values()], (words) => this.notice(words));
    this.contrast = new Contrast(tiles, this.display);
    this.timeline = new Timeline(this.axis, session, this.stimulus, (...at) => this.#scrub(...at));
    this.probe = new Probe(this);
    this.unsaved = () => ""; // what is not saved yet, in words
    this.onStop = () => {}; // called with (kind, place) after a jump to the next or previous of a kind
    this.#build(aside);
    this.#connect(keys);
  }

  #build(aside) {
    this.count = element("output", { class: "count" });
    this.words = element("output", { class: "notice", role: "status" });
    this.head = new Head(this.session);
    this.room.root.append(this.contrast.root);
    this.controls = new Controls(this);
    const upper = element("div", { class: "upper" }, this.room.root, ...(aside ? [aside] : []));
    const foot = element("div", { class: "foot" }, this.count, this.words, this.controls.wiping, this.timeline.pointer);
    document.body.append(this.head.root, upper, this.controls.root, this.timeline.root, foot);
  }

  #connect(keys) {
    this.keys = new Keys([...pageKeys(this), ...keys], (event, act) => this.probe.around(event, act));
    this.help = this.keys.dialog();
    document.body.append(this.help);
    const update = () => this.controls.update();
    this.contrast.onToggle = update;
    this.player.onChange = this.comparison.onChange = () => (update(), this.#showCount());
    this.display.onShow = (index, hit) => this.probe.onShow(index, hit);
    this.display.onPaint = (shown) => this.#onPaint(shown);
    this.display.onArrival = () => this.comparison.arrived();
    this.display.onError = (error) => this.#onFailure(error);
    this.writeHash = throttled(300, () =>
      history.replaceState(null, "", hashOf(this.axis.placeOf(this.display.target))),
    );
    addEventListener("hashchange", () => this.#goToHash());
    addEventListener("gone", ({ detail }) => (this.player.pause(), showGone(detail, this.unsaved())));
    addEventListener("back", () => this.player.go(this.display.target, { isFull: true }));
    update();
    this.room.layOut();
  }

  #onPaint({ index, moment }) {
    if (this.hasFailed || this.saidAt !== this.display.target) this.tell("");
    this.hasFailed = false;
    this.probe.onPaint(index);
    this.head.show(moment, this.axis.secondsOf(index));
    this.head.judgeOnce();
    this.timeline.set(index);
    this.timeline.wake();
    this.writeHash();
  }

  #onFailure(error) {
    this.hasFailed = true;
    this.notice(error.message);
    this.head.showMissing(this.shownPlace);
  }

  #showCount() {
    const { count, isPlaying, speed } = this.player;
    if (!count) return;
    const { shown, missing, passed } = count;
    const words = `shown ${shown} of ${passed} ${this.session.base} frames, skipped ${passed - shown - missing}`;
    const more = missing ? `, ${missing} without a picture` : "";
    say(this.count, `${isPlaying ? `playing at ${speed}×: ` : "played: "}${words}${more}`);
  }

  /** Tell the user something, until the next time or until another place is shown. */
  tell(words) {
    this.#say(words, false);
  }

  /** Tell the user that something cannot be done, and why; as long as what is told. */
  notice(words) {
    this.#say(words, true);
  }

  #say(words, isBad) {
    say(this.words, words);
    this.words.classList.toggle("bad", isBad);
    this.saidAt = this.display.target;
  }

  /** The place on the tiles. */
  get shownPlace() {
    return this.axis.placeOf(this.display.shown?.index ?? this.display.target);
  }

  /**
   * Go to a place; resolves when its pictures, as stored, are on the tiles. Rejects for a place there is not, and with
   * "AbortError" when another is gone to meanwhile.
   */
  async go(place) {
    if (!this.axis.has(place)) throw new RangeError(`no pulse ${place.pulse} in run ${place.run}`);
    const index = this.axis.indexOf(place);
    this.player.go(index, { isFull: true });
    if (this.display.shown?.index !== index || !this.display.shown.isFull) await this.display.settled();
  }

  /** `steps` of the step that is set, on or back. */
  step(steps, isMoving = false) {
    return this.player.step(steps * this.stepCount, isMoving);
  }

  /** A smaller or larger step. */
  changeStep(by) {
    this.stepCount = Math.min(Math.max(1, this.stepCount + by), MOST_STEP);
    this.controls.update();
  }

  /** To the next frame of the slower streams, on or back. */
  stepSlow(direction) {
    const divisor = Math.max(...this.session.streams.map((stream) => stream.divisor));
    const { pulse } = this.axis.placeOf(this.display.target);
    const next = (Math.floor(pulse / divisor) + 1) * divisor;
    const previous = (Math.ceil(pulse / divisor) - 1) * divisor;
    this.player.step((direction > 0 ? next : previous) - pulse, false);
  }

  /** @returns {Promise<boolean>} whether `text` was a place; false as well when somebody went elsewhere meanwhile */
  async jump(text) {
    const move = ++this.player.moves;
    try {
      const place = await placeTyped(text, this.axis, this.shownPlace.run, this.stimulus.isOn);
      if (move !== this.player.moves) return false;
      this.player.go(this.axis.indexOf(place), { isFull: true });
      this.notice("");
      return true;
    } catch (error) {
      if (move === this.player.moves) this.notice(error.message);
      return false;
    }
  }

  /** Between two runs no place lies: the last one before is shown, and said why. */
  #scrub(index, seconds) {
    this.player.go(index, SCRUBBING);
    const found = this.axis.breakAt(seconds);
    this.tell(found ? wordsOf.break(found) : "");
  }

  /** To the next or previous of a kind, and say what it is. */
  jumpToStop(kind, direction) {
    const stop = nextStop(this.stops[kind], this.display.target, direction);
    if (!stop) return this.notice(noMore(kind, direction));
    this.player.go(stop.index, { isFull: true });
    this.tell(stop.words);
    this.onStop(kind, this.axis.placeOf(stop.index));
  }

  /** The film on or off. A labelling page is told of films, clips and answers only while it is on. */
  async toggleFilm() {
    const isOn = !this.stimulus.isOn;
    this.stimulus.isOn = isOn;
    this.tell("");
    for (const part of [this.display, this.room, this.timeline]) part.filmChanged();
    this.controls.update();
    if (this.session.page === "labelling") await this.#tellOfFilm(isOn);
  }

  async #tellOfFilm(isOn) {
    if (!isOn) return this.setSession(this.toldFirst);
    try {
      const session = await getSession(isOn);
      if (this.stimulus.isOn) this.setSession(session);
    } catch (error) {
      this.notice(error.message);
    }
  }

  /** Let the keys zoom the film, or the cameras again. */
  switchLens() {
    this.tell(`zoom: ${this.room.switchLens()}`);
  }

  /** Take a newer answer of /api/session, of the same runs. `labels` stay. */
  setSession(session) {
    this.session = { ...session, labels: this.session.labels };
    this.#sessionChanged();
  }

  /** Labels for the time line and for jumps: as in /api/labels, of all coders that are shown. */
  setLabels(labels) {
    this.session = { ...this.session, labels };
    this.#sessionChanged();
  }

  #sessionChanged() {
    this.stops = stopsOf(this.session, this.axis);
    this.timeline.setSession(this.session);
  }

  /** To the place in the address; at first, where it has none, to the session's first. */
  #goToHash() {
    const place = placeInHash();
    const isHere = place && this.axis.has(place);
    if (isHere || this.display.target < 0) this.player.go(isHere ? this.axis.indexOf(place) : 0, { isFull: true });
    if (place && !isHere) this.notice(`This session has no pulse ${place.pulse} in run ${place.run}`);
  }

  /** Show the first moment. */
  begin() {
    window.rig = this.probe;
    this.#goToHash();
  }
}
