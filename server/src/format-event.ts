import type { StreamkitEvent } from "./event.ts";

/** Longest quotation of one error in a line, in characters. */
const MAX_TEXT = 1_000;
/** Most frames of the stack of a defect in a line. */
const MAX_FRAMES = 5;

/** Form of events: a line for people, or a line of JSON for machines. */
export type EventFormat = "text" | "json";

/** Formats an event as one line, without the line break. Escapes control characters. */
export function formatEvent(event: StreamkitEvent, format: EventFormat, now: Date = new Date()): string {
  const { level, kind, message, storeId, count } = event;
  const cause = describeCause(event.cause, message);
  const stack = kind === "internal-error" || kind === "uncaught" ? framesOf(event.cause) : [];
  if (format === "json") {
    return JSON.stringify({
      time: now.toISOString(),
      level,
      kind,
      message,
      ...(storeId !== undefined && { storeId }),
      ...(cause !== undefined && { cause }),
      ...(stack.length > 0 && { stack }),
      count,
    });
  }
  const store = storeId === undefined ? "" : ` (store ${storeId})`;
  const because = cause === undefined ? "" : `: ${cause}`;
  const places = stack.map((place) => ` | ${place}`).join("");
  const times = count === 1 ? "" : ` [${count} times]`;
  return oneLine(`streamkit: ${level}: ${kind}: ${message}${store}${because}${places}${times}`);
}

/**
 * The messages of an error and its causes, with the code of an error whose message lacks the code.
 *
 * @param told text that the reader has seen; it is not repeated
 */
export function describeCause(error: unknown, told = ""): string | undefined {
  const parts: string[] = [];
  let at = error;
  for (let depth = 0; at !== undefined && at !== null && depth < 8; depth++) {
    const text = textOf(at);
    if (text !== "" && ![told, ...parts].some((part) => part.includes(text))) parts.push(text);
    at = typeof at === "object" ? (at as { cause?: unknown }).cause : undefined;
  }
  return parts.length === 0 ? undefined : parts.join(": ");
}

function textOf(error: unknown): string {
  if (!(error instanceof Error)) return clip(String(error));
  const { code } = error as { code?: unknown };
  const named = typeof code === "string" && !error.message.includes(code);
  return clip(named ? `${error.message} (${code})` : error.message || error.name);
}

function framesOf(error: unknown): string[] {
  if (!(error instanceof Error) || error.stack === undefined) return [];
  return error.stack
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line.startsWith("at "))
    .slice(0, MAX_FRAMES);
}

function clip(text: string): string {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}...`;
}

/**
 * Escapes control characters. The text of an error may quote a peer, and must neither fake a line nor steer a terminal.
 */
function oneLine(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to escape
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
