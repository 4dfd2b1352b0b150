// The tiles of the cameras and of the film, and how they share the room between head and bar.

import { element } from "./dom.js";
import { layOut } from "./layout.js";
import { Lens, Tile } from "./tile.js";

const CAPTION_PX = 22;
const FILM_SIZE = { width: 16, height: 9 }; // the place kept for film frames of any size
const FILM_WEIGHT = 0.5; // how much its size counts beside a camera's: faces are looked at
const LARGE_WEIGHT = 2;

export class Room {
  /**
   * @param {object[]} streams of /api/session
   * @param {string} large the stream that may have the large place
   * @param {{isOn: boolean}} stimulus whether the film is shown; the page's own
   */
  constructor(streams, large, stimulus) {
    Object.assign(this, { large, stimulus });
    this.camerasLens = new Lens();
    this.lens = this.camerasLens; // that keys and buttons move
    this.film = new Tile("film", new Lens(), FILM_SIZE);
    this.tiles = new Map(streams.map((stream) => [stream.name, new Tile(stream.name, this.camerasLens, stream)]));
    const roots = [...this.tiles.values(), this.film].map(({ root }) => root);
    this.root = element("main", { "aria-label": "Pictures" }, ...roots);
    for (const [name, { root }] of this.tiles) root.addEventListener("dblclick", () => this.enlarge(name));
    new ResizeObserver(() => this.layOut()).observe(this.root);
  }

  /** As much picture as there is room for; the enlarged stream first. */
  layOut() {
    const others = [...this.tiles.values()].filter(({ name }) => name !== this.large);
    const tiles = [this.tiles.get(this.large), ...others, ...(this.stimulus.isOn ? [this.film] : [])];
    this.film.root.hidden = !this.stimulus.isOn;
    const weightOf = (tile) => (tile === this.film ? FILM_WEIGHT : tile === tiles[0] ? LARGE_WEIGHT : 1);
    const wanted = tiles.map((tile) => ({ ratio: tile.ratio, weight: weightOf(tile) }));
    const boxes = layOut(wanted, this.root.clientWidth, this.root.clientHeight, CAPTION_PX);
    tiles.forEach((tile, n) => tile.fit({ ...boxes[n], captionHeight: CAPTION_PX }));
  }

  /** The film was put on or off. */
  filmChanged() {
    this.lens = this.camerasLens;
    this.layOut();
  }

  /** Let keys and buttons zoom the film, or the cameras again. @returns {string} which */
  switchLens() {
    const isOfFilm = this.stimulus.isOn && this.lens === this.camerasLens;
    this.lens = isOfFilm ? this.film.lens : this.camerasLens;
    return isOfFilm ? "film" : "cameras";
  }

  /** Give the large place to a stream. */
  enlarge(name) {
    this.large = name;
    this.layOut();
  }

  enlargeNext() {
    const names = [...this.tiles.keys()];
    this.enlarge(names[(names.indexOf(this.large) + 1) % names.length]);
  }
}
