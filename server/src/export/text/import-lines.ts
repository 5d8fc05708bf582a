import { create, toBinary } from "@bufbuild/protobuf";
import { LIMITS, SegmentAppendSchema } from "@streamkit/protocol";
import { appendToLog } from "../../engine/append/append-to-log.ts";
import { parseSegmentAppend } from "../../engine/append/segment-append.ts";
import { checkName } from "../../engine/names.ts";
import type { OpenStore } from "../../engine/open-store.ts";
import { ServerError } from "../../errors.ts";
import { linesOf } from "./lines.ts";

/** A line that cannot be appended. The message has its number, counted from 1. */
export class LineError extends Error {
  override readonly name = "LineError";
  readonly line: number;

  constructor(line: number, message: string, cause?: unknown) {
    super(`line ${line} ${message}`, { cause });
    this.line = line;
  }
}

export interface LineOptions {
  /** Space of lines without `space`. */
  readonly space?: string | undefined;
  /** Segment of lines without `segment`. */
  readonly segment?: string | undefined;
  /** Called after each transaction with the lines appended so far. */
  readonly onProgress?: (lines: number) => void;
}

interface ParsedLine {
  readonly line: number;
  readonly space: string;
  readonly segment: string;
  readonly record: { readonly payload: Uint8Array; readonly metadata: Record<string, string> };
}

/** Lines and bytes that share a transaction. */
const LINES = 500;
const BYTES = LIMITS.maxTransactionBytes / 2;

/**
 * Appends lines of JSON as new entries, some hundreds in a transaction. The fields of a line: `space`, `segment`,
 * `metadata`, and one of `json`, `text` and `base64`. Other fields have no effect: entries get new positions and times.
 *
 * @returns the number of lines
 * @throws LineError for a line that cannot be appended; lines before its transaction are appended
 * @throws ServerError of the storage
 */
export async function importLines(
  source: AsyncIterable<Uint8Array>,
  store: OpenStore,
  options: LineOptions,
): Promise<number> {
  let group: ParsedLine[] = [];
  let bytes = 0;
  let done = 0;
  const flush = async () => {
    if (group.length === 0) return;
    await append(store, group);
    done += group.length;
    group = [];
    bytes = 0;
    options.onProgress?.(done);
  };
  for await (const { number, text } of linesOf(source)) {
    if (text.trim() === "") continue;
    const line = parseLine(text, number, options);
    const size = line.record.payload.length + JSON.stringify(line.record.metadata).length;
    const segments = new Set([...group, line].map(({ segment }) => segment)).size;
    const full = group.length === LINES || bytes + size > BYTES || segments > LIMITS.maxTransactionSegments;
    if (full || (group.length > 0 && group[0].space !== line.space)) await flush();
    group.push(line);
    bytes += size;
  }
  await flush();
  return done;
}

async function append(store: OpenStore, lines: readonly ParsedLine[]): Promise<void> {
  const [{ space, line }] = lines;
  try {
    const appends = [...Map.groupBy(lines, ({ segment }) => segment)].map(([segment, members], index) => {
      const records = members.map(({ record }) => record);
      const message = create(SegmentAppendSchema, { segment, records });
      return parseSegmentAppend(toBinary(SegmentAppendSchema, message), `appends[${index}]`);
    });
    const transaction = { id: crypto.randomUUID(), repeatable: true, appends };
    await store.write(() => appendToLog(store.space(space), transaction));
  } catch (error) {
    if (!(error instanceof ServerError) || error.facts.fieldViolations === undefined) throw error;
    throw new LineError(line, `begins a transaction that is refused: ${error.message}`, error);
  }
}

function parseLine(text: string, line: number, options: LineOptions): ParsedLine {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new LineError(line, "is not JSON", cause);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new LineError(line, "is not an object");
  const name = (field: "space" | "segment") => {
    const found = value[field] ?? options[field];
    if (typeof found !== "string") throw new LineError(line, `has no "${field}", and --${field} gives none`);
    try {
      return checkName(found, field);
    } catch (cause) {
      throw new LineError(line, `cannot be used: ${(cause as Error).message}`, cause);
    }
  };
  return { line, space: name("space"), segment: name("segment"), record: recordOf(value, line) };
}

function recordOf(value: Record<string, unknown>, line: number): ParsedLine["record"] {
  const { metadata = {}, json, text, base64 } = value;
  const isTexts = typeof metadata === "object" && metadata !== null && !Array.isArray(metadata);
  if (!isTexts || Object.values(metadata).some((item) => typeof item !== "string")) {
    throw new LineError(line, 'has a "metadata" that is not an object of texts');
  }
  const given = ["json", "text", "base64"].filter((field) => field in value);
  if (given.length !== 1) throw new LineError(line, 'needs exactly one of "json", "text" and "base64"');
  let payload: Uint8Array;
  if (given[0] === "json") payload = Buffer.from(JSON.stringify(json));
  else if (given[0] === "text" && typeof text === "string") payload = Buffer.from(text);
  else if (typeof base64 === "string" && /^[A-Za-z0-9+/]*={0,2}$/.test(base64)) payload = Buffer.from(base64, "base64");
  else throw new LineError(line, `has a "${given[0]}" that is not ${given[0] === "text" ? "a text" : "Base64"}`);
  return { payload, metadata: metadata as Record<string, string> };
}
