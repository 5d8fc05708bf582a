import { LIMITS } from "@streamkit/protocol";

/** Bytes that are not lines of text. The message has the number of the line. */
export class TextError extends Error {
  override readonly name = "TextError";
}

const decoder = new TextDecoder("utf-8", { fatal: true });

/** Longest line: a record of the largest size as Base64, with its fields. */
const MAX_LINE_BYTES = 4 * LIMITS.maxRecordBytes;

/**
 * Splits bytes into lines of UTF-8, counted from 1. The last line needs no end.
 *
 * @throws TextError for a line that is not UTF-8, or too long to be an entry
 */
export async function* linesOf(
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly number: number; readonly text: string }, void, undefined> {
  let rest: Uint8Array[] = [];
  let held = 0;
  let number = 0;
  for await (const piece of source) {
    let start = 0;
    for (let end = piece.indexOf(0x0a); end >= 0; end = piece.indexOf(0x0a, start)) {
      yield { number: ++number, text: decode([...rest, piece.subarray(start, end)], number) };
      rest = [];
      held = 0;
      start = end + 1;
    }
    if (start < piece.length) {
      rest.push(piece.subarray(start));
      held += piece.length - start;
    }
    if (held > MAX_LINE_BYTES) throw new TextError(`line ${number + 1} has more than ${MAX_LINE_BYTES} bytes`);
  }
  if (held > 0) yield { number: ++number, text: decode(rest, number) };
}

function decode(pieces: readonly Uint8Array[], line: number): string {
  try {
    return decoder.decode(Buffer.concat(pieces));
  } catch {
    throw new TextError(`line ${line} is not UTF-8`);
  }
}
