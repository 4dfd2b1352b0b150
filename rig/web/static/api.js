// The server's answers: JSON, and packets of pictures.

const SILENT = "The server does not answer. If it was ended, begin it again and open the address that it prints";

/** An answer that is an error: its status (0: there was no answer) and what the server said. */
export class Refused extends Error {
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

/** A JSON answer. Throws Refused; DOMException "AbortError" when the signal aborts it. */
export async function getJson(path, signal) {
  return (await asked(path, { signal })).json();
}

/** Send `body` as JSON; the JSON answer. Throws Refused. */
export async function sendJson(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  return (await asked(path, { method, headers, body: JSON.stringify(body) })).json();
}

async function asked(path, options) {
  const response = await fetch(path, options).catch((error) => {
    throw isAbort(error) ? error : new Refused(0, SILENT);
  });
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  throw new Refused(response.status, said.error ?? `the server answered ${response.status}`);
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

/** A film frame as ImageBitmap. Throws as getJson. */
export async function getFilm({ run, clip, frame }) {
  const response = await asked(`/api/film?${new URLSearchParams({ run, clip, frame })}`);
  return createImageBitmap(await response.blob());
}
