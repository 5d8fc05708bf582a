/** A header: its name in lower case, and its value. */
export type Header = readonly [name: string, value: string];

/** The most that the headers of SETTINGS, or of one REQUEST, may be: bytes of names and values, and their number. */
export const MAX_HEADER_BYTES = 16_384;
export const MAX_HEADERS = 128;

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Visible characters of Latin-1, blanks and tabs, as in HTTP. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The headers of one frame, as far as they stay within the limit. */
export class HeaderList {
  readonly headers: Header[] = [];
  /** True if there are more of them, or more bytes, than one frame may have. */
  tooLarge = false;
  /** True if each is a header that HTTP could carry. */
  valid = true;
  #bytes = 0;

  add(name: string, value: string): void {
    this.#bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    if (this.headers.length === MAX_HEADERS || this.#bytes > MAX_HEADER_BYTES) {
      this.tooLarge = true;
      return;
    }
    if (!NAME.test(name) || !VALUE.test(value)) this.valid = false;
    else this.headers.push([name, value]);
  }
}

/** The headers of a call: its own take the place of those of its socket that have the same names. */
export function mergedHeaders(ofSocket: readonly Header[], ofCall: readonly Header[]): Headers {
  const result = new Headers();
  const replaced = new Set(ofCall.map(([name]) => name));
  for (const [name, value] of ofSocket) if (!replaced.has(name)) result.append(name, value);
  for (const [name, value] of ofCall) result.append(name, value);
  return result;
}
