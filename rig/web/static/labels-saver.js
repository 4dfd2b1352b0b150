// Saves labels, each change at once and the newest always last, and says whether what is on the screen is on the disk.

import { sendJson } from "./api.js";

const AGAIN_MS = 2000;
const CHANGED = 409; // what is on the disk is newer
const GONE = [0, 403]; // no server there, or another one since
const AGAIN =
  "the server was ended. Leave this page open: run rig annotate again with --port " +
  `${location.port || 80} and open the address that it prints in another tab; this page is saved then`;

/** Whether what is on the disk is not what was last told of it. */
export const isOvertaken = (error) => error.status === CHANGED && !error.isGone;

export class Saver {
  /** @param {(why: string) => Promise<void>} reload called when somebody else has saved or closed: takes what is there */
  constructor(reload) {
    this.reload = reload;
    addEventListener("back", () => this.#send());
    this.state = "saved"; // "saving", "failed"
    this.reason = "";
    this.revision = undefined;
    this.wanted = undefined; // labels that are not on the disk yet
    this.onDisk = []; // those that are, as far as is known here
    this.sent = new Set(); // all states that were sent since then and may have reached it
    this.onState = () => {};
  }

  /** Save these labels. */
  save(labels) {
    this.wanted = labels;
    if (this.state !== "failed") this.#say("saving");
    this.#send();
  }

  /** Close: what is saved is the last word. Throws Refused. */
  async close() {
    await sendJson("POST", "/api/labels/close", { revision: this.revision });
  }

  async #send() {
    if (this.isSending) return;
    this.isSending = true;
    clearTimeout(this.timer);
    try {
      while (this.wanted) await this.#sendOne(this.wanted);
      this.#say("saved");
    } catch (error) {
      this.#fail(error);
    } finally {
      this.isSending = false;
    }
  }

  async #sendOne(labels) {
    this.sent.add(labels);
    try {
      const { revision } = await sendJson("PUT", "/api/labels", { revision: this.revision, labels });
      this.#stands(revision, labels);
      if (this.wanted === labels) this.wanted = undefined;
    } catch (error) {
      if (!isOvertaken(error)) throw error;
      this.#say("failed", error.message);
      await this.reload(error.message);
    }
  }

  #fail(error) {
    this.#say("failed", GONE.includes(error.status) ? AGAIN : error.message);
    if (!error.isGone) this.timer = setTimeout(() => this.#send(), AGAIN_MS);
  }

  /** What is on the disk is on the screen. */
  loaded(revision, labels) {
    this.#stands(revision, labels);
    this.wanted = undefined;
    this.#say("saved");
  }

  #stands(revision, labels) {
    this.revision = revision;
    this.onDisk = labels;
    this.sent.clear();
  }

  #say(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.onState();
  }
}
