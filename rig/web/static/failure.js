// What is shown when there is no page to show.

import { element } from "./dom.js";

const HINT = "Reload the page. If the server was ended, begin it again and open the address that it prints.";

/** Say why the page cannot be shown, and what to do. */
export function showFailure(error) {
  const words = [element("h1", {}, "No session to show"), element("p", {}, error.message), element("p", {}, HINT)];
  document.body.replaceChildren(element("main", { class: "failure" }, ...words));
}
