// Elements without markup in strings: what a protocol or a coder wrote stays text.

/**
 * A new element. `properties`: of the element; `class`, `role`, `aria-*` and `data-*` as attributes; `on` listeners.
 * @returns {HTMLElement}
 */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === "on") for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    else if (/^(class|for|role|aria-|data-)/.test(name)) made.setAttribute(name, value);
    else made[name] = value;
  }
  made.append(...children);
  return made;
}

/** A text without the signs that turn the order of letters: in a line with numbers they would change what is read. */
export const inOrder = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "");

/** Set a text only when it is another: the browser need not lay it out again. */
export function say(target, text) {
  const ordered = inOrder(text);
  if (target.textContent !== ordered) target.textContent = ordered;
}

/** A call of `act` at most once in `ms`, the last one always. */
export function throttled(ms, act) {
  let timer = 0;
  let last = -Infinity;
  return () => {
    clearTimeout(timer);
    const wait = Math.max(0, last + ms - performance.now());
    timer = setTimeout(() => {
      last = performance.now();
      act();
    }, wait);
  };
}
