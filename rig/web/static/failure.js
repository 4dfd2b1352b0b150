// What is shown when there is no page to show.

import { element } from "./dom.js";

const HINT = "Reload the page. If the server was ended, begin it again and open the address that it prints.";

/** Say why the page cannot be shown, and what to do. */
export function showFailure(error) {
  const words = [element("h1", {}, "No session to show"), element("p", {}, error.message), element("p", {}, HINT)];
  document.body.replaceChildren(element("main", { class: "failure" }, ...words));
}

/** Say, over a page that stays as it is, that the session it was made for is not served any more; nothing else acts. */
export function showGone(error) {
  const reload = element("button", { on: { click: () => location.reload() } }, "Reload");
  const words = [element("h2", {}, "Nothing more can be shown or saved here"), element("p", {}, error.message), reload];
  const dialog = element("dialog", { class: "help gone", role: "alertdialog", "aria-label": "Session gone" }, ...words);
  dialog.addEventListener("close", () => dialog.showModal());
  document.querySelectorAll("dialog[open]").forEach((open) => open.close());
  document.body.append(dialog);
  dialog.showModal();
}
