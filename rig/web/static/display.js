// Which moment is on the tiles, and which is asked for. A picture never stands under another moment's numbers.

import { FilmStore, Store } from "./store.js";
import { NO_CAPTION } from "./tile.js";
import { windowOf } from "./tones.js";
import { whyNothing } from "./words.js";

const STILL_MS = 120;
const SMALL_PX = 400e3; // pictures above it are reduced while moving

export class Display {
  /**
   * @param {import("./axis.js").Axis} axis
   * @param {Map<string, import("./tile.js").Tile>} tiles by stream
   * @param {import("./tile.js").Tile} film
   * @param {object[]} streams of /api/session
   * @param {{isOn: boolean}} stimulus whether the film is shown; the page's own
   */
  constructor(axis, tiles, film, streams, stimulus) {
    Object.assign(this, { axis, tiles, film, stimulus });
    this.widths = new Map(streams.map(({ name, width }) => [name, width]));
    this.isLarge = streams.some(({ width, height }) => width * height > SMALL_PX);
    this.store = new Store(axis, (indices, variant, error) => this.#onArrival(indices, variant, error));
    this.films = new FilmStore(() => this.#paintFilm());
    this.minus = "";
    this.target = -1; // index of the moment asked for
    this.shown = undefined; // {index, moment, pictures, isFull} on the tiles
    this.isMoving = false;
    this.isSharp = false; // whether the target is wanted as stored at once
    this.travel = {};
    this.onShow = () => {};
    this.onPaint = () => {};
    this.onArrival = () => {};
    this.onError = () => {};
    this.waiting = []; // of `settled`
  }

  /** Pictures as stored. */
  get full() {
    return { size: "full", as: "raw", minus: this.minus, film: this.stimulus.isOn ? "1" : "" };
  }

  /** Pictures for a traveller: large ones reduced, and by JPEG where the link is slow. */
  get fast() {
    const isSlow = this.isMoving && this.store.isLinkSlow && !this.minus;
    return { ...this.full, size: this.isLarge ? "moving" : "full", as: isSlow ? "jpeg" : "raw" };
  }

  /**
   * Show the moment at `index`: at once when it is here. `travel` as in Store.want, of what comes next;
   * `isMoving`: more will follow at once; `isFull`: as stored, as soon as it can be.
   * @returns {boolean} whether it was painted
   */
  show(index, { isMoving = false, isFull = false, ...travel } = {}) {
    Object.assign(this, { target: index, isMoving, isSharp: isFull, travel });
    this.#overtake(index);
    const found = this.#find(index);
    if (found) this.#paint(index, found);
    else this.#paintLate();
    this.onShow(index, found !== undefined);
    this.#fetch();
    this.#settleLater();
    return found !== undefined;
  }

  /** Whether a moment can be shown at once. */
  has(index) {
    return this.#find(index) !== undefined;
  }

  /** Fetch what comes, without showing anything. */
  readAhead(index, travel) {
    this.store.want(index, this.fast, travel);
  }

  /**
   * Resolves when the target is shown in full; rejects with the error that kept it from it, with DOMException
   * "AbortError" when another moment is asked for meanwhile.
   */
  settled() {
    return new Promise((resolve, reject) => this.waiting.push({ index: this.target, resolve, reject }));
  }

  #overtake(index) {
    const overtaken = this.waiting.filter((one) => one.index !== index);
    this.waiting = this.waiting.filter((one) => one.index === index);
    for (const { reject } of overtaken) reject(new DOMException("another moment was asked for", "AbortError"));
  }

  /** Differences against `minus` (see /api/pictures), or plain pictures: "". */
  setMinus(minus) {
    this.minus = minus;
    this.#again();
  }

  /** The film was put on or off. */
  filmChanged() {
    this.#again();
  }

  #again() {
    this.shown = undefined;
    if (this.target >= 0) this.show(this.target, { isFull: true });
  }

  /**
   * Each stream's contrast window by its own picture; none by differences.
   * @returns {Map<string, import("./tones.js").Window>}
   */
  windows() {
    const pictures = this.minus ? [] : Object.entries(this.shown?.pictures ?? {});
    return new Map(pictures.map(([stream, picture]) => [stream, windowOf(picture)]));
  }

  #find(index) {
    const full = this.store.get(index, this.full);
    const found = full ?? this.store.get(index, this.fast) ?? this.store.get(index, { ...this.fast, as: "raw" });
    return found && { ...found, isFull: full !== undefined };
  }

  /** What is missing; when it is here as it is wanted, what comes next. */
  #fetch() {
    const isHere = this.shown?.index === this.target;
    if (isHere && this.isSharp && !this.shown.isFull) this.store.wantOne(this.target, this.full);
    else this.store.want(this.target, this.fast, this.travel);
  }

  #settleLater() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      Object.assign(this, { isMoving: false, isSharp: true });
      this.travel = { ...this.travel, isScrubbing: false };
      this.#fetch();
    }, STILL_MS);
  }

  #onArrival(indices, variant, error) {
    if (error) return this.#fail(indices, error);
    this.onArrival();
    if (variant.minus !== this.minus || variant.film !== this.full.film) return;
    const isBetter = (index) => !this.shown || this.#distance(index) < this.#distance(this.shown.index);
    const nearest = indices.reduce((best, index) => (this.#distance(index) < this.#distance(best) ? index : best));
    const isSharper = nearest === this.target && this.shown?.index === nearest && !this.shown.isFull;
    const found = isBetter(nearest) || isSharper ? this.#find(nearest) : undefined;
    if (found) this.#paint(nearest, found);
    this.#fetch();
  }

  #distance(index) {
    return Math.abs(index - this.target);
  }

  #fail(indices, error) {
    if (!indices.includes(this.target)) return;
    this.shown = undefined;
    for (const tile of [...this.tiles.values(), this.film]) tile.paintNothing(NO_CAPTION, error.message);
    this.onError(error);
    for (const { reject } of this.waiting.splice(0)) reject(error);
  }

  #paint(index, found) {
    const isSame = this.shown?.index === index && this.shown.isFull === found.isFull;
    this.shown = { index, ...found };
    if (!isSame) for (const tile of this.tiles.values()) this.#paintTile(tile);
    if (index !== this.target) this.#paintLate();
    this.#paintFilm();
    this.#wantFilms();
    this.onPaint(this.shown);
    if (index === this.target && found.isFull) for (const { resolve } of this.waiting.splice(0)) resolve();
  }

  #paintTile(tile) {
    const view = this.shown.moment.views[tile.name];
    const picture = this.shown.pictures[tile.name];
    if (!view) return tile.paintNothing(NO_CAPTION, "no such camera in this run");
    const caption = captionOf(view);
    if (!picture) return tile.paintNothing(caption, whyNothing(view));
    tile.paint(picture, caption, { isDifference: this.minus !== "", state: this.#lossOf(picture, tile.name) });
  }

  /** How a picture differs from the one that is stored, for a traveller's sake. */
  #lossOf({ key, width, height }, name) {
    const isReduced = width < this.widths.get(name);
    const words = [isReduced ? `reduced to ${width}×${height}` : "", key.endsWith("/jpeg") ? "JPEG" : ""];
    return words.filter(Boolean).join(", ");
  }

  #paintLate() {
    const waitingFor = `loading ${this.axis.placeOf(this.target).pulse}`;
    for (const tile of this.tiles.values()) tile.paintLate(waitingFor);
  }

  #paintFilm() {
    if (!this.shown || !this.stimulus.isOn) return;
    const flips = this.shown.moment.flips;
    if (!flips.clip) return this.film.paintNothing(NO_CAPTION, flips.reason || "no film on the screen");
    const wanted = this.#filmOf(this.shown.moment);
    const caption = captionOfFilm(flips);
    const found = this.films.get(wanted);
    if (found?.bitmap) this.film.paintBitmap(found.bitmap, `film/${FilmStore.nameOf(wanted)}`, caption);
    else if (found) this.film.paintNothing(caption, found.reason);
    else this.film.paintLate(`loading film frame ${flips.film_frame}`);
  }

  #filmOf(moment) {
    return { run: moment.run, clip: moment.flips.clip, frame: moment.flips.film_frame };
  }

  /** This film frame first, then those of the moments ahead that are here. */
  #wantFilms() {
    if (!this.stimulus.isOn) return;
    const stride = (this.travel.step ?? 1) * (this.travel.direction ?? 1);
    const ahead = Array.from({ length: 2 * 8 }, (_, n) => this.shown.index + n * stride);
    const moments = ahead.map((index) => this.#find(index)?.moment).filter((moment) => moment?.flips.clip);
    this.films.want(moments.map((moment) => this.#filmOf(moment)));
  }
}

function captionOf({ pulse, frame, age_ms }) {
  if (frame === null) return { long: `pulse ${pulse}`, short: `${pulse}` };
  return {
    long: `pulse ${pulse} · frame ${frame} · age ${ageOf(age_ms)}`,
    short: `${pulse} · #${frame} · ${age_ms === null ? "age " : ""}${ageOf(age_ms)}`,
  };
}

function captionOfFilm({ clip, film_frame: frame, flip_age_ms: age }) {
  return { of: clip, long: `film frame ${frame} · flip age ${ageOf(age)}`, short: `#${frame} · ${ageOf(age)}` };
}

/** Nobody may know when a pulse was sent. */
const ageOf = (ms) => (ms === null ? "unknown" : `${ms.toFixed(1)} ms`);
