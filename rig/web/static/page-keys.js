// The keys of both pages.

const HOLD_MS = 250; // a key down longer is held, not tapped

/** @param {import("./page.js").Page} page @returns {{title: string, keys: import("./keys.js").Key[]}[]} */
export function pageKeys(page) {
  return [
    { title: "Move", keys: moves(page) },
    { title: "Jump", keys: jumps(page) },
    { title: "Compare", keys: compares(page) },
    { title: "View", keys: views(page) },
  ];
}

function moves(page) {
  const step =
    (steps) =>
    ({ repeat }) =>
      page.step(steps, repeat);
  const second = Math.round(1 / page.axis.periodS);
  return [
    { keys: "ArrowLeft", words: "a step back", act: step(-1) },
    { keys: "ArrowRight", words: "a step on", act: step(1) },
    { keys: "Shift+ArrowLeft", words: "10 steps back", act: step(-10) },
    { keys: "Shift+ArrowRight", words: "10 steps on", act: step(10) },
    { keys: "< >", words: "smaller, larger step", act: ({ key }) => page.changeStep(key === ">" ? 1 : -1) },
    {
      keys: ", .",
      words: "frame of the slower cameras: back, on",
      act: ({ key }) => page.stepSlow(key === "." ? 1 : -1),
    },
    { keys: "PageUp", words: "a second back", act: ({ repeat }) => page.player.step(-second, repeat) },
    { keys: "PageDown", words: "a second on", act: ({ repeat }) => page.player.step(second, repeat) },
    { keys: "Home", words: "first pulse", act: () => page.player.go(0) },
    { keys: "End", words: "last pulse", act: () => page.player.go(page.axis.length - 1) },
    { keys: "Space", words: "play, pause", act: () => page.player.toggle() },
    { keys: "[ ]", words: "slower, faster", act: ({ key }) => page.player.faster(key === "]" ? 1 : -1) },
  ];
}

function jumps(page) {
  const to = (kind, letter, words = kind) => ({
    keys: `${letter} ${letter.toUpperCase()}`,
    words: `next, previous ${words}`,
    act: ({ key }) => page.jumpToStop(kind, key === letter ? 1 : -1),
  });
  return [
    { keys: "j", words: "go to a pulse, a time, a second of a clip", act: () => page.controls.place.select() },
    to("trial", "t"),
    to("step", "m", "step of the protocol"),
    to("gap", "g"),
    to("alarm", "a"),
    to("answer", "q"),
    to("label", "l"),
  ];
}

function compares(page) {
  const { comparison } = page;
  let downMs = 0;
  const flip = ({ repeat, timeStamp }) => {
    if (repeat) return;
    downMs = timeStamp;
    comparison.flip();
  };
  const release = ({ timeStamp }) => timeStamp - downMs > HOLD_MS && comparison.share === 1 && comparison.flip();
  return [
    { keys: "p", words: "pin this moment; the pinned one: unpin", act: () => comparison.pin() },
    { keys: "b", words: "pinned picture and this one in place (hold or tap)", act: flip, release },
    { keys: "w", words: "wipe: pinned left, this right", act: () => comparison.wipe() },
    { keys: "d", words: "difference against the pinned picture", act: () => comparison.difference("pinned") },
    { keys: "k", words: "difference against an earlier picture", act: () => comparison.difference("earlier") },
  ];
}

const LOOKS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function views(page) {
  const look = ({ key }) => page.room.lens.look(...LOOKS[key]);
  return [
    { keys: "c", words: "contrast", act: () => page.contrast.toggle() },
    { keys: "Escape", words: "close contrast, leave a field", act: () => page.contrast.close() },
    { keys: "+ =", words: "zoom in", act: () => page.room.lens.in() },
    { keys: "-", words: "zoom out", act: () => page.room.lens.out() },
    { keys: "0", words: "whole picture", act: () => page.room.lens.whole() },
    { keys: "Alt+ArrowLeft Alt+ArrowRight", words: "look further left, right", act: look },
    { keys: "Alt+ArrowUp Alt+ArrowDown", words: "look further up, down", act: look },
    { keys: "v", words: "zoom the film, the cameras again", act: () => page.switchLens() },
    { keys: "s", words: "give the large place to the next camera", act: () => page.room.enlargeNext() },
    { keys: "f", words: "film on, off", act: () => page.toggleFilm() },
    { keys: "i o", words: "time line: zoom in, out", act: ({ key }) => page.timeline.zoom(key === "i" ? 2 : 0.5) },
    { keys: "( )", words: "time line: earlier, later", act: ({ key }) => page.timeline.move(key === ")" ? 1 : -1) },
    { keys: "h", words: "time line: whole session", act: () => page.timeline.whole() },
    { keys: "?", words: "these keys", act: () => page.help.showModal() },
  ];
}
