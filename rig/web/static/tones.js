// From a stored sample to a screen pixel, by tables: the contrast window of a camera, and the gain of differences.

/** Levels of 0 to 1 that become black and white. @typedef {{low: number, high: number}} Window */
export const WHOLE = { low: 0, high: 1 };
const EQUAL = 128; // in a difference: no change
const DARKEST_SHARE = 0.01; // of the pixels: what "auto" lets become black, and as many white

const ramp = (count, level) => Uint8ClampedArray.from({ length: count }, (_, sample) => level(sample));

function windowRamp(bits, { low, high }) {
  const top = 2 ** bits - 1;
  if (low === 0 && high === 1)
    return bits === 8 ? ramp(256, (sample) => sample) : ramp(top + 1, (sample) => sample >> (bits - 8));
  return ramp(top + 1, (sample) => ((sample / top - low) / Math.max(high - low, 1 / top)) * 255);
}

const differenceRamp = (gain) => ramp(256, (sample) => EQUAL + (sample - EQUAL) * gain);

/** Paints pictures of all kinds into the 32-bit pixels of a canvas; keeps its tables from picture to picture. */
export class Tones {
  constructor() {
    this.window = WHOLE;
    this.gain = 1;
    this.tables = new Map();
  }

  set(window, gain) {
    this.window = window;
    this.gain = gain;
    this.tables.clear();
  }

  /** @param {Uint32Array} pixels of the same size as the picture */
  paint(picture, pixels, isDifference) {
    const { red, green, blue, grey } = this.#tables(picture.bits, isDifference);
    const { data } = picture;
    if (picture.kind === "rgb8") paintColours(data, 3, pixels, red, green, blue);
    else if (picture.kind === "rgba8") paintColours(data, 4, pixels, red, green, blue);
    else for (let n = 0; n < pixels.length; n++) pixels[n] = grey[data[n]];
  }

  #tables(bits, isDifference) {
    const key = `${bits} ${isDifference}`;
    if (!this.tables.has(key)) {
      const levels = isDifference ? differenceRamp(this.gain) : windowRamp(bits, this.window);
      this.tables.set(key, {
        grey: Uint32Array.from(levels, (level) => (0xff000000 | (level * 0x010101)) >>> 0),
        red: Uint32Array.from(levels, (level) => (0xff000000 | level) >>> 0),
        green: Uint32Array.from(levels, (level) => level << 8),
        blue: Uint32Array.from(levels, (level) => level << 16),
      });
    }
    return this.tables.get(key);
  }
}

function paintColours(data, stride, pixels, red, green, blue) {
  for (let n = 0, at = 0; n < pixels.length; n++, at += stride) {
    pixels[n] = red[data[at]] | green[data[at + 1]] | blue[data[at + 2]];
  }
}

/** The window that leaves a hundredth of the pixels black, and as many white. @returns {Window} */
export function windowOf(picture) {
  const top = 2 ** picture.bits - 1;
  const counts = new Uint32Array(top + 1);
  const stride = picture.kind === "rgba8" ? 4 : 1;
  for (let n = 0; n < picture.data.length; n += stride) counts[picture.data[n]]++;
  const share = (DARKEST_SHARE * picture.data.length) / stride;
  const low = firstAbove(counts, share);
  const high = top - firstAbove(counts.slice().reverse(), share);
  return high > low ? { low: low / top, high: high / top } : WHOLE;
}

function firstAbove(counts, share) {
  let sum = 0;
  return Math.max(
    0,
    counts.findIndex((count) => (sum += count) > share),
  );
}
