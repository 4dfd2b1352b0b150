// Places to jump to: what was typed, and the next or previous of trials, steps, gaps, alarms, answers and labels.

import { getJson } from "./api.js";
import { firstPulse } from "./labels.js";
import { wordsOf } from "./words.js";

const PULSE = /^(?:(\d+):)?(\d+)$/;
const SECONDS = /^(-?\d+(?:\.\d+)?)\s*s$/;
const CLIP = /^(.+)@(-?\d+(?:\.\d+)?)\s*s?$/;
export const FORMS = "pulse 1234 · run 2: 2:1234 · seconds: 12.5s · in a clip: clip1@3.2";

/**
 * The place that was typed; see FORMS. `run`: that of a pulse without one; `isFilmOn`: a coder who does not see the film
 * is told nothing of its clips. Throws Error with what is allowed.
 * @returns {Promise<import("./axis.js").Place>}
 */
export async function placeTyped(text, axis, run, isFilmOn) {
  const typed = text.trim();
  const pulse = PULSE.exec(typed);
  if (pulse) return placeInAxis({ run: Number(pulse[1] ?? run), pulse: Number(pulse[2]) }, axis);
  const seconds = SECONDS.exec(typed);
  if (seconds) return getJson(`/api/find?${new URLSearchParams({ seconds: seconds[1] })}`);
  const clip = CLIP.exec(typed);
  const film = isFilmOn ? "1" : "";
  if (clip) return getJson(`/api/find?${new URLSearchParams({ clip: clip[1], seconds: clip[2], film })}`);
  throw new Error(`“${typed}” is no place. Allowed: ${FORMS}`);
}

function placeInAxis(place, axis) {
  if (axis.has(place)) return place;
  const runs = axis.runs.map((run) => `${run.number}:${run.first_pulse} to ${run.number}:${run.last_pulse}`);
  throw new Error(`Pulse ${place.run}:${place.pulse} is not in this session. Allowed: ${runs.join(", ")}`);
}

/**
 * What can be jumped to, by kind, in order: {index, words}.
 * @returns {Record<string, {index: number, words: string}[]>}
 */
export function stopsOf(session, axis) {
  const first = (row) => row.first_pulse;
  const at = (row) => row.pulse;
  return {
    trial: sorted(axis, [session.trials, first, wordsOf.trial]),
    step: sorted(axis, [session.steps, first, wordsOf.step]),
    gap: sorted(
      axis,
      [session.gaps, first, wordsOf.gap],
      [session.not_stored, first, wordsOf.notStored],
      [axis.breaks, first, wordsOf.break], // at the last pulse before it
    ),
    alarm: sorted(axis, [session.alarms, at, wordsOf.alarm]),
    answer: sorted(axis, [session.answers, at, wordsOf.answer]),
    label: sorted(axis, [session.labels ?? [], firstPulse, wordsOf.label]),
  };
}

/** Rows of several tables as stops; those of one moment are one stop. */
function sorted(axis, ...tables) {
  const wordsAt = new Map();
  for (const [rows, pulseOf, words] of tables) {
    for (const row of rows) {
      const pulse = pulseOf(row);
      const index = Number.isFinite(pulse) ? axis.indexOf({ run: row.run, pulse }) : -1;
      if (index >= 0) wordsAt.set(index, [...(wordsAt.get(index) ?? []), words(row)]);
    }
  }
  const indices = [...wordsAt.keys()].sort((one, other) => one - other);
  return indices.map((index) => ({ index, words: wordsAt.get(index).join("; ") }));
}

/** The next stop after `index`, or the previous one before it; undefined: there is none. */
export function nextStop(stops, index, direction) {
  return direction > 0 ? stops.find((stop) => stop.index > index) : stops.findLast((stop) => stop.index < index);
}

/** The part of an address that leads to a place; it never leaves the browser. */
export const hashOf = ({ run, pulse }) => `#run=${run}&pulse=${pulse}`;

/** The place in the page's address; undefined: none. */
export function placeInHash() {
  const said = new URLSearchParams(location.hash.slice(1));
  const [run, pulse] = ["run", "pulse"].map((name) => Number(said.get(name) ?? NaN));
  return Number.isInteger(run) && Number.isInteger(pulse) ? { run, pulse } : undefined;
}
