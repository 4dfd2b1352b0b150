// One picture on the page: a canvas of the picture's own size, a caption, and words where there is no picture.

import { element, say } from "./dom.js";
import { Tones } from "./tones.js";
import { whyNothing } from "./words.js";

const CANVAS = { alpha: false, desynchronized: true };
const ENLARGED = 3; // from here on pixels are shown as squares
const MOST_ZOOM = 32;
const ZOOM = 1.5; // of a key
const NARROW_PX = 290; // a caption in full may need as much
export const NO_CAPTION = { long: "", short: "" };
const PAN = 0.1; // of what is seen, of a key

/** Zoom and pan that several tiles share: factor, and shift in parts of the picture's width and height. */
export class Lens {
  constructor() {
    this.zoom = 1;
    this.x = 0;
    this.y = 0;
    this.tiles = [];
  }

  in() {
    this.by(ZOOM);
  }

  out() {
    this.by(1 / ZOOM);
  }

  /** The whole picture. */
  whole() {
    this.by(0);
  }

  /** Look further to the right and down, or with -1 to the left and up. */
  look(right, down) {
    this.pan((right * PAN) / this.zoom, (down * PAN) / this.zoom);
  }

  /** Zoom by `factor`; what is seen at (x, y), in parts of the tile from its middle, stays there. */
  by(factor, x = 0, y = 0) {
    const zoom = Math.min(Math.max(this.zoom * factor, 1), MOST_ZOOM);
    const moved = 1 / this.zoom - 1 / zoom;
    this.pan(x * moved, y * moved, zoom);
  }

  /** Move what is seen, in parts of the picture. */
  pan(x, y, zoom = this.zoom) {
    const most = (1 - 1 / zoom) / 2;
    this.zoom = zoom;
    this.x = Math.min(Math.max(this.x + x, -most), most);
    this.y = Math.min(Math.max(this.y + y, -most), most);
    for (const tile of this.tiles) tile.place();
  }
}

/** A canvas that holds one picture, or none. */
class Sheet {
  constructor(name) {
    this.room = { width: 1, height: 1 };
    this.canvas = element("canvas", { width: 1, height: 1, ...name });
    this.context = this.canvas.getContext("2d", CANVAS);
    this.picture = undefined;
  }

  paint(picture, tones, isDifference) {
    if (this.picture !== picture) this.#draw(picture, tones, isDifference);
  }

  #draw(picture, tones, isDifference) {
    const { width, height } = picture;
    this.#resize(width, height);
    if (this.image?.width !== width || this.image?.height !== height) {
      this.image = this.context.createImageData(width, height);
      this.pixels = new Uint32Array(this.image.data.buffer);
    }
    tones.paint(picture, this.pixels, isDifference);
    this.context.putImageData(this.image, 0, 0);
    this.picture = picture;
    this.isDifference = isDifference;
    this.canvas.dataset.picture = picture.key;
  }

  paintBitmap(bitmap, key) {
    this.#resize(bitmap.width, bitmap.height);
    this.context.drawImage(bitmap, 0, 0);
    this.canvas.dataset.picture = key;
  }

  #resize(width, height) {
    if (this.canvas.width === width && this.canvas.height === height) return;
    Object.assign(this.canvas, { width, height });
    this.fit();
  }

  /** Fill a room of the page with the picture, px. */
  fit(room = this.room) {
    this.room = room;
    const { canvas } = this;
    const scale = Math.min(room.width / canvas.width, room.height / canvas.height);
    const [width, height] = [canvas.width * scale, canvas.height * scale];
    const [left, top] = [(room.width - width) / 2, (room.height - height) / 2];
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px`, left: `${left}px`, top: `${top}px` });
  }

  again(tones) {
    if (this.picture) this.#draw(this.picture, tones, this.isDifference);
  }

  clear() {
    this.picture = undefined;
    delete this.canvas.dataset.picture;
  }
}

export class Tile {
  /**
   * @param {string} name of the stream, or "film"
   * @param {Lens} lens
   * @param {{width: number, height: number}} size in px
   */
  constructor(name, lens, { width, height }) {
    this.name = name;
    this.lens = lens;
    this.ratio = width / height;
    this.told = NO_CAPTION;
    this.tones = new Tones();
    this.sheet = new Sheet({ "data-stream": name });
    this.pinned = new Sheet({ "data-pinned": name, hidden: true });
    this.#build();
    lens.tiles.push(this);
  }

  #build() {
    this.words = element("div", { class: "words" });
    this.noPinned = element("div", { class: "pinned-nothing", hidden: true });
    const layers = [this.sheet.canvas, this.words, this.pinned.canvas, this.noPinned];
    this.view = element("div", { class: "view" }, ...layers);
    this.title = element("b", { class: "caption-name" }, this.name);
    this.caption = element("span", { class: "caption-text" });
    this.pinnedCaption = element("span", { class: "pinned-text" });
    this.state = element("span", { class: "state" });
    this.head = element(
      "div",
      { class: "caption" },
      this.title,
      this.pinnedCaption,
      this.caption,
      this.state,
    );
    this.root = element("section", { class: "tile", "aria-label": this.name }, this.head, this.view);
    this.view.addEventListener("wheel", (event) => this.#onWheel(event), { passive: false });
    this.view.addEventListener("pointerdown", (event) => this.#onGrab(event));
  }

  /** Show a picture, and its caption: {of, long, short}; `of`: which film. */
  paint(picture, caption, { isDifference = false, state = "" } = {}) {
    this.sheet.paint(picture, this.tones, isDifference);
    this.#show(caption, state);
  }

  paintBitmap(bitmap, key, caption) {
    this.sheet.paintBitmap(bitmap, key);
    this.#show(caption, "");
  }

  #show(caption, state) {
    this.sheet.canvas.hidden = false;
    this.root.classList.remove("nothing", "late");
    say(this.words, "");
    this.#sayCaption(caption);
    say(this.state, state);
  }

  /** Show that there is no picture, and why. */
  paintNothing(caption, reason) {
    this.sheet.clear();
    this.sheet.canvas.hidden = true;
    this.root.classList.remove("late");
    this.root.classList.add("nothing");
    say(this.words, reason);
    this.#sayCaption(caption);
    say(this.state, "");
  }

  #sayCaption(caption) {
    this.told = caption;
    const name = caption.of ? `${this.name} ${caption.of}` : this.name; // cut where there is no room, numbers never are
    if (this.title.title !== name) this.title.title = name;
    say(this.title, name);
    say(this.caption, this.isNarrow ? caption.short : caption.long);
    const title = this.isNarrow ? caption.long : "";
    if (this.caption.title !== title) this.caption.title = title;
  }

  /** What is shown is of another moment than the page's: dim it; `waitingFor` says of which. Its own caption stays. */
  paintLate(waitingFor) {
    if (this.root.classList.contains("nothing")) say(this.words, waitingFor);
    this.root.classList.add("late");
    say(this.state, waitingFor);
  }

  /** Keep a picture of `view`, or the reason why it has none, to compare with; without a view nothing. */
  pin(picture, view) {
    this.pinnedView = view;
    if (picture) this.pinned.paint(picture, this.tones, false);
    else this.pinned.clear();
    say(this.noPinned, view && !picture ? whyNothing(view) : "");
  }

  /** @param {number} share of the width, from the left, that shows the pinned picture; 0: none of it */
  compare(share) {
    const { canvas } = this.pinned;
    const isShown = share > 0 && this.pinnedView !== undefined;
    canvas.hidden = !isShown || this.pinned.picture === undefined;
    this.noPinned.hidden = !isShown || this.pinned.picture !== undefined;
    canvas.style.clipPath = share === 1 ? "" : `inset(0 ${100 - share * 100}% 0 0)`;
    this.noPinned.style.right = `${100 - share * 100}%`;
    this.caption.hidden = isShown && share === 1;
    this.words.hidden = this.caption.hidden;
    say(this.pinnedCaption, isShown ? this.#pinnedWords(share) : "");
  }

  #pinnedWords(share) {
    const { pulse, frame } = this.pinnedView;
    return share === 1 ? `pinned: pulse ${pulse}${frame === null ? "" : ` · frame ${frame}`}` : `left: ${pulse}`;
  }

  setTones(window, gain) {
    this.tones.set(window, gain);
    this.sheet.again(this.tones);
    this.pinned.again(this.tones);
  }

  /** Fit the picture into a rectangle of the page, caption included, px. */
  fit({ left, top, width, height, captionHeight }) {
    Object.assign(this.root.style, { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` });
    this.isNarrow = width < NARROW_PX;
    this.#sayCaption(this.told);
    this.width = Math.min(width, (height - captionHeight) * this.ratio);
    this.height = this.width / this.ratio;
    Object.assign(this.view.style, { width: `${this.width}px`, height: `${this.height}px` });
    for (const sheet of [this.sheet, this.pinned]) sheet.fit({ width: this.width, height: this.height });
    this.place();
  }

  place() {
    const { zoom, x, y } = this.lens;
    const isEnlarged = (this.width * zoom) / this.sheet.canvas.width > ENLARGED;
    for (const { canvas } of [this.sheet, this.pinned]) {
      canvas.style.transform = `scale(${zoom}) translate(${-x * 100}%, ${-y * 100}%)`;
      canvas.classList.toggle("enlarged", isEnlarged);
    }
  }

  #onWheel(event) {
    event.preventDefault();
    const box = this.view.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width - 0.5;
    const y = (event.clientY - box.top) / box.height - 0.5;
    this.lens.by(2 ** (-event.deltaY / 300), x, y);
  }

  #onGrab(event) {
    if (event.button !== 0) return;
    this.view.setPointerCapture(event.pointerId);
    const onMove = ({ movementX, movementY }) =>
      this.lens.pan(-movementX / this.width / this.lens.zoom, -movementY / this.height / this.lens.zoom);
    this.view.addEventListener("pointermove", onMove);
    this.view.addEventListener("lostpointercapture", () => this.view.removeEventListener("pointermove", onMove), {
      once: true,
    });
  }
}
