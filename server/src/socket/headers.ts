/** A header: its name in lower case and its value. */
export type Header = readonly [name: string, value: string];

/** Limits of the headers in SETTINGS or in one REQUEST: bytes of names and values, and number of headers. */
export const MAX_HEADER_BYTES = 16_384;
export const MAX_HEADERS = 128;

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Visible characters of Latin-1, blanks and tabs, as in HTTP. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** The headers of one frame, up to the limits. */
export class HeaderList {
  readonly headers: Header[] = [];
  /** True if the frame has more headers, or more bytes of them, than allowed. */
  tooLarge = false;
  /** True if HTTP could carry all headers. */
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

/** Returns the headers of a call. They replace headers of the socket with the same names. */
export function mergedHeaders(ofSocket: readonly Header[], ofCall: readonly Header[]): Headers {
  const result = new Headers();
  const replaced = new Set(ofCall.map(([name]) => name));
  for (const [name, value] of ofSocket) if (!replaced.has(name)) result.append(name, value);
  for (const [name, value] of ofCall) result.append(name, value);
  return result;
}

/** Returns the value of a header, or the values with commas between them; undefined if there is none. */
export function headerOf(headers: readonly Header[], name: string): string | undefined {
  const values = headers.filter(([other]) => other === name.toLowerCase());
  return values.length === 0 ? undefined : values.map(([, value]) => value).join(", ");
}
