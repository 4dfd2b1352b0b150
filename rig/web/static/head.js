// The head of the page: whose session it is, where we are in it, and what must be known about it.

import { getJson } from "./api.js";
import { element, inOrder, say } from "./dom.js";

export class Head {
  constructor({ title, rig, banners }) {
    this.place = element("output", { class: "place" });
    this.banners = element("div", { class: "banners" }, ...banners.map(bannerOf));
    this.root = element("header", {}, element("h1", {}, inOrder(`${title} · rig ${rig}`)), this.place, this.banners);
    document.title = title;
  }

  /** Where the page is. */
  show({ run, pulse, flips }, seconds) {
    const step = flips.step ? ` · ${flips.step}` : "";
    say(this.place, `run ${run} · pulse ${pulse} · ${seconds.toFixed(3)} s${step}`);
  }

  /** Where the page is, when nothing can be shown of it. */
  showMissing({ run, pulse }) {
    say(this.place, `run ${run} · pulse ${pulse} · nothing to show`);
  }

  /** What the verdict says takes a while to read, and comes after the first picture. */
  async judgeOnce() {
    if (this.isJudged) return;
    this.isJudged = true;
    const failed = (error) => ({
      banners: [{ kind: "unreadable", text: `The verdict cannot be read: ${error.message}` }],
    });
    const { banners } = await getJson("/api/verdict").catch(failed);
    this.banners.append(...banners.map(bannerOf));
  }
}

const bannerOf = ({ kind, text }) => element("p", { class: `banner ${kind.replace(/[^a-z]/g, "")}` }, inOrder(text));
