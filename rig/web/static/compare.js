// Comparing the moment on the page with a pinned one: in place, by a wipe, or by differences.

export class Comparison {
  /** @param {(words: string) => void} say for the user */
  constructor(axis, display, tiles, say) {
    Object.assign(this, { axis, display, tiles, say });
    this.pinnedIndex = undefined;
    this.share = 0; // of the width that shows the pinned picture
    this.wipeShare = 0.5;
    this.mode = ""; // of differences: "", "pinned" or "earlier"
    this.earlier = 4; // base pulses
    this.onChange = () => {};
  }

  get #plain() {
    return { ...this.display.full, minus: "" };
  }

  /** Pin the moment on the page; the one that is pinned already: unpin it. */
  pin() {
    const { index } = this.display.shown ?? {};
    if (index === undefined) return;
    this.pinnedIndex = index === this.pinnedIndex ? undefined : index;
    if (this.pinnedIndex === undefined) this.#unpin();
    else this.#showPinned();
    if (this.mode === "pinned") this.#setMode(this.pinnedIndex === undefined ? "" : "pinned");
    this.onChange();
  }

  #unpin() {
    this.isWaiting = false;
    for (const tile of this.tiles) tile.pin(undefined);
    this.#compare(0);
  }

  /** Hand the pinned pictures to the tiles; those that are not here are asked for, and `arrived` tries again. */
  #showPinned() {
    const found = this.display.store.get(this.pinnedIndex, this.#plain);
    this.isWaiting = found === undefined;
    if (!found) return this.display.store.wantOne(this.pinnedIndex, this.#plain);
    for (const tile of this.tiles) {
      const view = found.moment.views[tile.name];
      tile.pin(found.pictures[tile.name], view);
    }
    this.#compare(this.share);
  }

  arrived() {
    if (this.isWaiting) this.#showPinned();
  }

  #compare(share) {
    this.share = share;
    for (const tile of this.tiles) tile.compare(share);
    this.onChange();
  }

  #needsPinned() {
    if (this.pinnedIndex === undefined) this.say("Pin a moment first (p), then move to another");
    return this.pinnedIndex !== undefined;
  }

  /** The pinned picture in place of the current one, and back. */
  flip() {
    if (this.#needsPinned()) this.#compare(this.share === 1 ? 0 : 1);
  }

  /** The pinned picture at the left, the current one at the right. */
  wipe() {
    if (this.#needsPinned()) this.#compare(this.isWiping ? 0 : this.wipeShare);
    if (this.isWiping) this.#plainly();
  }

  get isWiping() {
    return this.share > 0 && this.share < 1;
  }

  /** A wipe between a picture and a difference would compare nothing. */
  #plainly() {
    if (this.mode) this.#setMode("");
  }

  /** Where the wipe is, 0 to 1 of the width. */
  setWipe(share) {
    this.wipeShare = Math.min(Math.max(share, 0.01), 0.99);
    if (this.#needsPinned()) this.#compare(this.wipeShare);
  }

  /** Differences against the pinned moment or one `earlier`; the mode that is on already: off. */
  difference(mode) {
    if (mode === "pinned" && this.mode !== "pinned" && !this.#needsPinned()) return;
    if (this.isWiping) this.#compare(0);
    this.#setMode(mode === this.mode ? "" : mode);
  }

  setEarlier(pulses) {
    this.earlier = pulses;
    if (this.mode === "earlier") this.#setMode("earlier");
  }

  #setMode(mode) {
    this.mode = mode;
    const { run, pulse } = this.axis.placeOf(this.pinnedIndex ?? 0);
    const minus = { "": "", pinned: `pinned:${run}:${pulse}`, earlier: `earlier:${this.earlier}` };
    this.display.setMinus(minus[mode]);
    this.onChange();
  }
}
