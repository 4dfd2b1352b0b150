// Where tiles lie: as much picture as the room allows.

const GAP = 4; // px
const FEW = 7; // tiles, of which all ways of breaking them into rows are tried
const SHARES = Array.from({ length: 21 }, (_, n) => 0.3 + n * 0.02); // of the width, for the first tile

/**
 * Rectangles of tiles, {left, top, width, height} px, caption included: in rows, or the first one large at the left and
 * the others in rows beside it, whichever shows more. Sizes are multiplied, not added: else one grows at the cost of
 * the others.
 * @param {{ratio: number, weight: number}[]} tiles width / height of each picture, the one that may be large first; and
 *   how much its size counts
 */
export function layOut(tiles, width, height, captionHeight) {
  const room = { left: 0, top: 0, width, height };
  const ratios = tiles.map(({ ratio }) => ratio);
  const plans = inRows(ratios, room, captionHeight);
  if (ratios.length > 1) for (const share of SHARES) plans.push(...besideLarge(ratios, room, captionHeight, share));
  const shown = (plan) =>
    plan.reduce((sum, box, n) => sum + tiles[n].weight * Math.log(sizeIn(box, ratios[n], captionHeight)), 0);
  return plans.reduce((best, next) => (shown(next) > shown(best) ? next : best));
}

function sizeIn({ width, height }, ratio, captionHeight) {
  return Math.max(1, Math.min(width, (height - captionHeight) * ratio)) / Math.sqrt(ratio);
}

function besideLarge([, ...ratios], { left, top, width, height }, captionHeight, share) {
  const large = { left, top, width: Math.floor(width * share) - GAP, height };
  const rest = { left: large.width + GAP, top, width: width - large.width - GAP, height };
  return inRows(ratios, rest, captionHeight).map((rows) => [large, ...rows]);
}

/** Ways to break the tiles into rows; the pictures of a row are equally high. */
function inRows(ratios, room, captionHeight) {
  const breaks = ratios.length > FEW ? evenBreaks(ratios.length) : allBreaks(ratios.length);
  return breaks.map((isBreak) => {
    const rows = [[]];
    ratios.forEach((ratio, n) => {
      if (n > 0 && isBreak(n)) rows.push([]);
      rows.at(-1).push(ratio);
    });
    return stacked(rows, room, captionHeight);
  });
}

const allBreaks = (count) => Array.from({ length: 2 ** (count - 1) }, (_, bits) => (n) => bits & (1 << (n - 1)));
const evenBreaks = (count) => Array.from({ length: count }, (_, n) => (at) => at % (n + 1) === 0);

function stacked(rows, { left, top, width, height }, captionHeight) {
  const full = rows.map((ratios) => (width - GAP * (ratios.length - 1)) / sumOf(ratios)); // rows' heights when full
  const heights = shared(full, height - rows.length * captionHeight - (rows.length - 1) * GAP);
  let y = top;
  return rows.flatMap((ratios, n) => {
    let x = left;
    const boxes = ratios.map((ratio) => {
      const box = { left: x, top: y, width: full[n] * ratio, height: heights[n] + captionHeight };
      x += box.width + GAP;
      return box;
    });
    y += heights[n] + captionHeight + GAP;
    return boxes;
  });
}

const sumOf = (numbers) => numbers.reduce((one, other) => one + other, 0);

/** Divide `free` evenly; who wants less gets less, and leaves the rest to the others. */
function shared(wanted, free) {
  const got = [...wanted];
  const byWish = wanted.map((_, n) => n).sort((one, other) => wanted[one] - wanted[other]);
  byWish.forEach((n, place) => {
    got[n] = Math.min(wanted[n], free / (wanted.length - place));
    free -= got[n];
  });
  return got;
}
