// The keys of the labelling page, beside those of both pages.

import { MARKS } from "./labels.js";
import { LOOP_SPEED } from "./player.js";

export const FIRST_KIND = 4; // its key; those of the marks are 1 to 3

export function labelKeys(labelling) {
  const { panel } = labelling;
  const kinds = labelling.told.kinds.map((kind, n) => ({
    keys: String(FIRST_KIND + n),
    words: `kind: ${kind}`,
    act: () => labelling.edit((labels) => labels.change({ kind })),
  }));
  return [
    ...MARKS.map((mark, n) => ({ keys: String(n + 1), words: `${mark} here`, act: () => labelling.mark(mark) })),
    { keys: "Enter", words: "done: the next mark begins a label", act: () => labelling.labels.choose(undefined) },
    ...kinds,
    { keys: "8", words: "uncertain, certain", act: () => panel.toggleUncertain() },
    { keys: "e", words: "emotion", act: () => labelling.write("emotion") },
    { keys: "x", words: "action units", act: () => labelling.write("aus") },
    { keys: "n", words: "note", act: () => labelling.write("note") },
    { keys: "Delete", words: "delete the label", act: () => labelling.edit((labels) => labels.remove()) },
    { keys: "z", words: "undo", act: () => labelling.undo() },
    { keys: "y", words: "redo", act: () => labelling.redo() },
    { keys: "u U", words: "next, previous label of the list", act: ({ key }) => labelling.goToNext(key === "u" ? 1 : -1) },
    { keys: "r", words: `loop onset to offset at ${LOOP_SPEED}×, stop`, act: () => labelling.loop() },
  ];
}
