// window.rig: what the page shows and how fast, for measuring it. It changes nothing but the place.

const MOST = 10000; // latencies kept

export class Probe {
  /** @param {import("./page.js").Page} page */
  constructor(page) {
    this.page = page;
    this.ready = false;
    this.latencies = []; // {ms, hit}: from a key to the next refresh of the screen after its picture was painted
    this.channel = new MessageChannel();
    this.channel.port1.onmessage = ({ data }) => this.#keep(data);
  }

  place() {
    return this.page.shownPlace;
  }

  /** Resolves when the place's pictures, as stored, are painted. */
  go(place) {
    return this.page.go(place);
  }

  get played() {
    return this.page.player.played;
  }

  /** Do what a key asks for; a moment that it wants shown is measured from the key on. */
  around(event, act) {
    this.keyMs = event.timeStamp;
    act(event);
    this.keyMs = undefined;
  }

  /** A moment is to be shown; `hit`: it was painted at once. */
  onShow(index, hit) {
    if (this.keyMs === undefined) return;
    const one = { index, atMs: this.keyMs, hit };
    if (hit) this.#painted(one);
    else this.waiting = one;
  }

  /** A moment was painted. */
  onPaint(index) {
    this.ready = true;
    if (this.waiting?.index === index) this.#painted(this.waiting);
  }

  /** A message sent from a frame's callback comes after that frame was handed to the screen. */
  #painted(one) {
    this.waiting = undefined;
    requestAnimationFrame(() => this.channel.port2.postMessage(one));
  }

  #keep({ atMs, hit }) {
    this.latencies.push({ ms: performance.now() - atMs, hit });
    if (this.latencies.length > MOST) this.latencies.shift();
  }
}
