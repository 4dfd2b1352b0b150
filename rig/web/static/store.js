// Pictures on this side of the wire: kept by bytes, the least recently shown forgotten first; read ahead both ways.

import { Refused, getFilm, getPictures, isAbort } from "./api.js";

const MOST_PICTURE_BYTES = 384e6;
const MOST_MOMENTS = 4000;
const MOST_FILM_BYTES = 96e6;
const FLIGHTS = 3; // requests under way; a browser allows six to one host, and film and time line want some
const BATCH = { full: 8, moving: 4 }; // moments asked for at once; large pictures take the server long
const AHEAD = 8;
const BEHIND = 8;
const SLOW_LINK_MB_S = 30;
const MEASURED_BYTES = 500e3; // shorter packets say more about the server than about the link

/** Values with a size in bytes; the least recently used are forgotten above `most` bytes. */
class Cache {
  constructor(most, forget = () => {}) {
    this.most = most;
    this.forget = forget;
    this.bytes = 0;
    this.kept = new Map();
  }

  get(key) {
    const found = this.kept.get(key);
    if (!found) return undefined;
    this.kept.delete(key);
    this.kept.set(key, found);
    return found.value;
  }

  has(key) {
    return this.kept.has(key);
  }

  put(key, value, bytes) {
    this.drop(key);
    this.kept.set(key, { value, bytes });
    this.bytes += bytes;
    while (this.bytes > this.most && this.kept.size > 1) this.drop(this.kept.keys().next().value);
  }

  drop(key) {
    const found = this.kept.get(key);
    if (!found) return;
    this.kept.delete(key);
    this.bytes -= found.bytes;
    this.forget(found.value);
  }
}

/**
 * How pictures are asked for. `film`: "1" to be told what the screen showed.
 * @typedef {{size: "full"|"moving", as: "raw"|"jpeg", minus: string, film: "1"|""}} Variant
 */
const nameOf = ({ size, as, minus, film }) => `${size} ${as} ${minus} ${film}`;

export class Store {
  /** @param {(indices: number[], variant: Variant, error?: Error) => void} onArrival */
  constructor(axis, onArrival) {
    this.axis = axis;
    this.onArrival = onArrival;
    this.pictures = new Cache(MOST_PICTURE_BYTES);
    this.moments = new Cache(MOST_MOMENTS);
    this.flights = new Set();
    this.linksMbS = [];
  }

  /** The moment with its pictures by stream, when all of them are here. */
  get(index, variant) {
    const name = nameOf(variant);
    const moment = this.moments.get(`${name} ${index}`);
    if (!moment) return undefined;
    const pictures = {};
    for (const [stream, { picture: key }] of Object.entries(moment.views)) {
      if (key === null) continue;
      pictures[stream] = this.pictures.get(`${name} ${key}`);
      if (!pictures[stream]) return undefined;
    }
    return { moment, pictures };
  }

  /** Whether the link was too slow for raw pictures in all packets lately. */
  get isLinkSlow() {
    return this.linksMbS.length > 0 && Math.max(...this.linksMbS) < SLOW_LINK_MB_S;
  }

  /**
   * Have this moment brought, and `ahead` more in the direction of travel, some behind. What is under way and no longer
   * near is aborted; what is near is kept, or else stepping would never find anything.
   */
  want(index, variant, { step = 1, direction = 1, ahead = AHEAD, behind = BEHIND, isScrubbing = false } = {}) {
    if (isScrubbing) return this.#scrub(index, variant);
    const stride = step * direction;
    const forward = this.#row(index, stride, ahead + 1);
    const backward = this.#row(index - stride, -stride, behind);
    this.#abortAllBut(new Set([...forward, ...backward]), index, variant);
    const isJump = this.flights.size === 0 && this.#isMissing(index, variant);
    if (isJump) return this.#fly([index], stride, variant); // alone, to be soon; the rest when it is here
    this.#readAhead(forward, stride, variant, ahead);
    this.#readAhead(backward, -stride, variant, behind);
  }

  /** Nothing is read ahead, and a request ends before the next begins: else nothing is seen until the hand rests. */
  #scrub(index, variant) {
    const isOneUnderWay = [...this.flights].some(({ indices }) => indices.size === 1);
    if (isOneUnderWay || !this.#isMissing(index, variant)) return;
    this.#abortAllBut(new Set(), index, variant);
    this.#fly([index], 1, variant);
  }

  /** Have this one moment brought, and nothing aborted. */
  wantOne(index, variant) {
    if (this.#isMissing(index, variant)) this.#fly([index], 1, variant);
  }

  #row(index, stride, count) {
    const run = this.axis.runOf(this.axis.clamp(index));
    const last = run.start + run.last_pulse - run.first_pulse;
    const row = [];
    for (let at = index; row.length < count && at >= run.start && at <= last; at += stride) row.push(at);
    return row;
  }

  #isMissing(index, variant) {
    const name = nameOf(variant);
    const isUnderWay = [...this.flights].some((flight) => flight.name === name && flight.indices.has(index));
    return !isUnderWay && !this.get(index, variant);
  }

  #missingFrom(row, variant) {
    const end = row.findIndex((index) => !this.#isMissing(index, variant));
    return end < 0 ? row : row.slice(0, end);
  }

  /** Not for every single one: a batch begins when a good part of the row is missing, or it is the row's end. */
  #readAhead(row, stride, variant, most) {
    const first = row.findIndex((index) => this.#isMissing(index, variant));
    const isEnough = first < 0 || (first > most * 0.6 && row.length >= most);
    if (isEnough || this.flights.size >= FLIGHTS) return;
    this.#fly(this.#missingFrom(row.slice(first, first + BATCH[variant.size]), variant), stride, variant);
  }

  /** Of other kinds of pictures only those of this very moment are still waited for. */
  #abortAllBut(wanted, index, variant) {
    const name = nameOf(variant);
    for (const flight of this.flights) {
      const isNear = [...flight.indices].some((at) => wanted.has(at));
      const isWanted = flight.name === name ? isNear : flight.minus === variant.minus && flight.indices.has(index);
      if (isWanted) continue;
      flight.control.abort();
      this.flights.delete(flight);
    }
  }

  async #fly(indices, stride, variant) {
    const flight = {
      indices: new Set(indices),
      name: nameOf(variant),
      minus: variant.minus,
      control: new AbortController(),
    };
    this.flights.add(flight);
    const place = this.axis.placeOf(indices[0]);
    const query = { ...place, count: indices.length, step: stride, ...variant };
    try {
      const kept = this.#keep(await getPictures(query, flight.control.signal), flight.name);
      this.flights.delete(flight);
      if (!kept.length) throw new Refused(404, `Pulse ${place.pulse} is not in this session any more. Reload the page`);
      this.onArrival(kept, variant);
    } catch (error) {
      this.flights.delete(flight);
      if (!isAbort(error)) this.onArrival(indices, variant, error);
    }
  }

  /** The indices of the moments that came: a server may send fewer than were asked for. */
  #keep({ moments, pictures, bytes, tookMs }, name) {
    for (const [key, picture] of pictures) this.pictures.put(`${name} ${key}`, picture, picture.bytes);
    for (const moment of moments) this.moments.put(`${name} ${this.axis.indexOf(moment)}`, moment, 1);
    if (bytes > MEASURED_BYTES) this.linksMbS = [bytes / 1000 / Math.max(tookMs, 0.1), ...this.linksMbS].slice(0, 6);
    return moments.map((moment) => this.axis.indexOf(moment));
  }
}

/** Film pictures, as ImageBitmap; or the reason why there is none. */
export class FilmStore {
  constructor(onArrival) {
    this.onArrival = onArrival;
    this.bitmaps = new Cache(MOST_FILM_BYTES, ({ bitmap }) => bitmap?.close());
    this.waiting = []; // by name, each once
    this.bringing = undefined; // name of the one that is under way
  }

  static nameOf({ run, clip, frame }) {
    return `${run}/${clip}/${frame}`;
  }

  /** @returns {{bitmap?: ImageBitmap, reason?: string}|undefined} undefined: not here yet */
  get(wanted) {
    return this.bitmaps.get(FilmStore.nameOf(wanted));
  }

  /** Have these brought, in this order; what was wanted before and has not begun is given up. */
  want(wanted) {
    const byName = new Map(wanted.map((one) => [FilmStore.nameOf(one), one]));
    this.waiting = [...byName].filter(([name]) => name !== this.bringing && !this.bitmaps.has(name));
    if (!this.bringing) this.#bring();
  }

  async #bring() {
    while (this.waiting.length) {
      const [name, wanted] = this.waiting.shift();
      this.bringing = name;
      await this.#bringOne(name, wanted);
      this.bringing = undefined;
      this.onArrival();
    }
  }

  async #bringOne(name, wanted) {
    try {
      const bitmap = await getFilm(wanted);
      this.bitmaps.put(name, { bitmap }, bitmap.width * bitmap.height * 4);
    } catch (error) {
      if (error.status > 0) this.bitmaps.put(name, { reason: error.message }, 100);
    }
  }
}
