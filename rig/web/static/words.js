// What can be met along a session, in words.

import { inOrder } from "./dom.js";

/** Why a camera has no picture of a moment, as /api/pictures tells it. */
export const whyNothing = ({ frame, reason }) =>
  `${frame === null ? "no frame" : "no picture"}\n${reason.replace(/^no frame: /, "")}`;

/** What to say at the end of a row. */
export const noMore = (what, direction) => `No ${direction > 0 ? "later" : "earlier"} ${what}`;

export const wordsOf = {
  trial: ({ trial }) => `trial ${trial}`,
  step: ({ name, kind, clip }) => inOrder([...new Set([name ?? kind, clip])].filter(Boolean).join(" · ")),
  gap: ({ stream, cause }) => `${stream}: gap, ${cause}`,
  notStored: ({ stream, reason }) => `${stream}: not stored, ${reason}`,
  break: ({ run, next }) =>
    `${next === run + 1 ? "nothing recorded" : "nothing that can be shown"}: run ${run} ended, run ${next} began`,
  alarm: ({ text }) => `alarm: ${text}`,
  answer: ({ question, answer }) => `${question}: ${answer}`,
  label: ({ kind, emotion }) => `label: ${[kind, emotion].filter(Boolean).join(", ")}`,
};
