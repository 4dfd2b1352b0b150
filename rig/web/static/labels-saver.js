// Saves labels, each change at once and the newest always last, and says whether what is on the screen is on the disk.

import { sendJson } from "./api.js";

const AGAIN_MS = 2000;
const CHANGED = 409; // what is on the disk is newer
const GONE = [0, 403]; // no server there, or another one since
const AGAIN =
  "the server was ended. Leave this page open: run rig annotate again with --port " +
  `${location.port || 80} and open the address that it prints in another tab; this page is saved then`;

export class Saver {
  /** @param {() => Promise<void>} reload called when somebody else has saved */
  constructor(reload) {
    this.reload = reload;
    this.state = "saved"; // "saving", "failed"
    this.reason = "";
    this.revision = undefined;
    this.wanted = undefined; // labels that are not on the disk yet
    this.onDisk = []; // those that are, as far as is known here
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
      await this.#fail(error);
    } finally {
      this.isSending = false;
    }
  }

  async #sendOne(labels) {
    const { revision } = await sendJson("PUT", "/api/labels", { revision: this.revision, labels });
    this.revision = revision;
    this.onDisk = labels;
    if (this.wanted === labels) this.wanted = undefined;
  }

  async #fail(error) {
    if (error.isGone) return this.#say("failed", error.message);
    if (error.status === CHANGED) {
      this.wanted = undefined;
      this.#say("failed", error.message);
      return this.reload(error.message);
    }
    this.#say("failed", GONE.includes(error.status) ? AGAIN : error.message);
    this.timer = setTimeout(() => this.#send(), AGAIN_MS);
  }

  /** What is on the disk is on the screen. */
  loaded(revision, labels) {
    this.revision = revision;
    this.onDisk = labels;
    this.wanted = undefined;
    this.#say("saved");
  }

  #say(state, reason = "") {
    this.state = state;
    this.reason = reason;
    this.onState();
  }
}
