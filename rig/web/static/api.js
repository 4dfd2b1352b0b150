// The server's answers: JSON, and packets of pictures.

const AGAIN_MS = 2000;
const SILENT = "The server does not answer. If it was ended, begin it again and open the address that it prints";

let served = ""; // the session that this page was made for, as /api/session calls it
let gone; // why nothing is asked just now

/** An answer that is an error: its status (0: there was no answer) and what the server said. */
export class Refused extends Error {
  /** `isGone`: the session that this page was made for is not served any more. */
  constructor(status, text, isGone = false) {
    super(text);
    Object.assign(this, { status, isGone });
  }
}

/** What there is to see; from then on this page is one of that session, and of no other. Throws Refused. */
export async function getSession(isFilmOn) {
  const session = await getJson(`/api/session${isFilmOn ? "?film=1" : ""}`);
  served ||= session.id;
  return session;
}

/** A JSON answer. Throws Refused; DOMException "AbortError" when the signal aborts it. */
export async function getJson(path, signal) {
  return (await asked(path, { signal })).json().catch(brokenOff);
}

/** Send `body` as JSON; the JSON answer. Throws Refused. */
export async function sendJson(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await asked(path, { method, headers, body: JSON.stringify(body) })).json().catch(brokenOff);
}

/** No answer, or none that came to its end. */
function brokenOff(error) {
  throw isAbort(error) ? error : new Refused(0, SILENT);
}

async function asked(path, options) {
  if (gone) throw gone;
  try {
    return await answered(path, options);
  } catch (error) {
    if (error.isGone && served && !gone) waitForIt(error);
    throw error;
  }
}

/** The session is not there: nothing is asked until it is again, which is said by the events "gone" and "back". */
async function waitForIt(refused) {
  gone = refused;
  dispatchEvent(new CustomEvent("gone", { detail: refused }));
  while (gone) {
    await new Promise((done) => setTimeout(done, AGAIN_MS));
    await answered("/api/labels", {}).then(() => (gone = undefined)).catch(() => {}); // it is not there yet
  }
  dispatchEvent(new CustomEvent("back"));
}

async function answered(path, options) {
  const headers = { ...options.headers, ...(served && { "X-Session": served }) };
  const response = await fetch(path, { ...options, headers }).catch(brokenOff);
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(response.status, said.error ?? `the server answered ${response.status}`, said.is_gone);
}

export const isAbort = (error) => error instanceof DOMException && error.name === "AbortError";

/**
 * Pictures of some moments.
 * @returns {{moments: object[], pictures: Map<string, object>, bytes: number, tookMs: number}} each picture with `data`:
 *   Uint8Array or Uint16Array, as `kind` says; of a JPEG "rgba8". `tookMs`: its `bytes` came within. Throws as getJson.
 */
export async function getPictures(query, signal) {
  const response = await asked(`/api/pictures?${new URLSearchParams(query)}`, { signal });
  const began = performance.now();
  const packet = await response.arrayBuffer();
  const tookMs = performance.now() - began;
  return { ...(await parsePacket(packet)), bytes: packet.byteLength, tookMs };
}

async function parsePacket(packet) {
  const length = new DataView(packet).getUint32(0, true);
  const { moments, pictures } = JSON.parse(new TextDecoder().decode(new Uint8Array(packet, 4, length)));
  const opened = await Promise.all(pictures.map((picture) => withData(picture, packet, 4 + length + picture.at)));
  return { moments, pictures: new Map(opened.map((picture) => [picture.key, picture])) };
}

async function withData(picture, packet, at) {
  if (picture.kind === "jpeg") return decoded(picture, new Uint8Array(packet, at, picture.bytes));
  const data =
    picture.kind === "grey16"
      ? new Uint16Array(packet, at, picture.bytes / 2)
      : new Uint8Array(packet, at, picture.bytes);
  return { ...picture, data };
}

async function decoded(picture, jpeg) {
  const bitmap = await createImageBitmap(new Blob([jpeg], { type: "image/jpeg" }));
  const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  const { data } = context.getImageData(0, 0, bitmap.width, bitmap.height);
  bitmap.close();
  return { ...picture, kind: "rgba8", bits: 8, bytes: data.length, data };
}

/** A film frame as ImageBitmap, where the film may be shown. Throws as getJson. */
export async function getFilm({ run, clip, frame }) {
  const response = await asked(`/api/film?${new URLSearchParams({ run, clip, frame, film: "1" })}`, {});
  return createImageBitmap(await response.blob());
}
