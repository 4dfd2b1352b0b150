// What is shown when there is no page to show.

import { element } from "./dom.js";

const HINT = "Reload the page. If the server was ended, begin it again and open the address that it prints.";

/** Say why the page cannot be shown, and what to do. */
export function showFailure(error) {
  const words = [element("h1", {}, "No session to show"), element("p", {}, error.message), element("p", {}, HINT)];
  document.body.replaceChildren(element("main", { class: "failure" }, ...words));
}

/**
 * Say, over a page that stays as it is, that the session it was made for is not served; until it is again nothing else
 * acts. The words have the focus: on a button a key that was meant for the page would reload it.
 */
export function showGone(error, unsaved) {
  const reload = element("button", { on: { click: () => location.reload() } }, "Reload");
  const head = element("h2", { tabIndex: -1, autofocus: true }, "Nothing can be shown or saved here just now");
  const words = [error.message, unsaved, "When it is there again, this page goes on by itself."].filter(Boolean);
  const parts = [head, ...words.map((text) => element("p", {}, text)), reload];
  const dialog = element("dialog", { class: "help gone", role: "alertdialog", "aria-label": "Session gone" }, ...parts);
  dialog.addEventListener("close", () => dialog.showModal());
  addEventListener("back", () => dialog.remove(), { once: true });
  document.querySelectorAll("dialog[open]").forEach((open) => open.close());
  document.body.append(dialog);
  dialog.showModal();
}
