/** The answers that the protocol allows: a code of its table, with exactly one detail that names the reason. */

/** Codes of failed calls in Connect's notation. A defect would be `internal` or `unknown`. */
const CODES = new Set([
  "invalid_argument",
  "failed_precondition",
  "not_found",
  "resource_exhausted",
  "unimplemented",
  "deadline_exceeded",
  "canceled",
  "aborted",
  "unavailable",
  "permission_denied",
  "unauthenticated",
]);
/** Statuses without a detail: the request reached no method. */
const HTTP_STATUSES = new Set([400, 403, 404, 405, 408, 413, 415, 417, 431, 501, 505]);

/** The problem with the answer of a unary HTTP call; undefined for a documented answer. */
export function wrongAnswer(status: number, type: string, body: string): string | undefined {
  if (status === 200) return undefined;
  if (!type.includes("json"))
    return HTTP_STATUSES.has(status) ? undefined : `status ${status} without an error in JSON`;
  return wrongError(body, status === 403 || status === 400);
}

/** The problem with the last message of a Connect stream; undefined for a documented one. */
export function wrongEnd(body: Buffer): string | undefined {
  let last: string | undefined;
  for (let at = 0; at + 5 <= body.length; ) {
    const length = body.readUInt32BE(at + 1);
    if (at + 5 + length > body.length) return "a truncated message";
    if ((body[at] & 2) !== 0) last = body.toString("utf8", at + 5, at + 5 + length);
    at += 5 + length;
  }
  if (last === undefined) return "no end of the stream";
  const end = JSON.parse(last) as { error?: unknown };
  return end.error === undefined ? undefined : wrongError(JSON.stringify(end.error), false);
}

function wrongError(text: string, refusedAtDoor: boolean): string | undefined {
  const error = JSON.parse(text) as { code?: string; details?: { type: string; debug?: { reason?: string } }[] };
  if (error.code === undefined || !CODES.has(error.code)) return `code ${error.code}: ${text}`;
  if (error.details === undefined && refusedAtDoor) return undefined;
  if (error.details?.length !== 1) return `${error.details?.length ?? 0} details: ${text}`;
  const [{ type, debug }] = error.details;
  if (type !== "streamkit.v1.ErrorDetail") return `a detail of type ${type}`;
  return debug?.reason === undefined ? `no reason: ${text}` : undefined;
}
