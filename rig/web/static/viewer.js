// The viewer: a session to look at.

import { getJson } from "./api.js";
import { Page } from "./page.js";
import { showFailure } from "./failure.js";

/** Labels, where everybody who began to label has closed. */
async function showLabels(page) {
  const { others, problems } = await getJson("/api/labels").catch((error) => ({
    others: {},
    problems: [error.message],
  }));
  const labels = Object.values(others).flat();
  if (labels.length) page.setLabels(labels);
  if (problems.length) page.notice(problems.join("; "));
}

try {
  const page = await Page.open();
  page.begin();
  await showLabels(page);
} catch (error) {
  showFailure(error);
}
