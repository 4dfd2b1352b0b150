// What can be met along a session, in words.

import { inOrder } from "./dom.js";

export const wordsOf = {
  trial: ({ name, kind, clip }) => inOrder([...new Set([name ?? kind, clip])].filter(Boolean).join(" · ")),
  gap: ({ stream, cause }) => `${stream}: gap, ${cause}`,
  notStored: ({ stream, reason }) => `${stream}: not stored, ${reason}`,
  alarm: ({ text }) => `alarm: ${text}`,
  answer: ({ question, answer }) => `${question}: ${answer}`,
  label: ({ kind, emotion }) => `label: ${[kind, emotion].filter(Boolean).join(", ")}`,
};
