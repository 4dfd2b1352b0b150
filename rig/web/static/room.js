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
   */
  constructor(streams, large, isFilmOn) {
    Object.assign(this, { large, isFilmOn });
    this.lens = new Lens();
    this.film = new Tile("film", new Lens(), FILM_SIZE);
    this.tiles = new Map(streams.map((stream) => [stream.name, new Tile(stream.name, this.lens, stream)]));
    const roots = [...this.tiles.values(), this.film].map(({ root }) => root);
    this.root = element("main", { "aria-label": "Pictures" }, ...roots);
    for (const [name, { root }] of this.tiles) root.addEventListener("dblclick", () => this.enlarge(name));
    new ResizeObserver(() => this.layOut()).observe(this.root);
  }

  /** As much picture as there is room for; the enlarged stream first. */
  layOut() {
    const others = [...this.tiles.values()].filter(({ name }) => name !== this.large);
    const tiles = [this.tiles.get(this.large), ...others, ...(this.isFilmOn ? [this.film] : [])];
    this.film.root.hidden = !this.isFilmOn;
    const weightOf = (tile) => (tile === this.film ? FILM_WEIGHT : tile === tiles[0] ? LARGE_WEIGHT : 1);
    const wanted = tiles.map((tile) => ({ ratio: tile.ratio, weight: weightOf(tile) }));
    const boxes = layOut(wanted, this.root.clientWidth, this.root.clientHeight, CAPTION_PX);
    tiles.forEach((tile, n) => tile.fit({ ...boxes[n], captionHeight: CAPTION_PX }));
  }

  setFilm(isOn) {
    this.isFilmOn = isOn;
    this.layOut();
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
