import type { StreamkitEvent } from "./event.ts";

/** Longest text that a line quotes of one error, in characters. */
const MAX_TEXT = 1_000;
/** Places of the stack of a defect that a line names. */
const MAX_FRAMES = 5;

/** How events are written: a line for people, or a line of JSON for machines. */
export type EventFormat = "text" | "json";

/** One event as one line, without the line break. Control characters are escaped. */
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
 * What an error and the errors that it came from say: messages, and the code where a message does not name it.
 *
 * @param told what the reader knows already, and is not told again
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

/** Texts of errors may quote what a peer sent: nothing in them may look like another line, or steer a terminal. */
function oneLine(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
