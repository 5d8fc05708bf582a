import { PAYLOAD_BYTES, payloadAt } from "./payloads.ts";

/**
 * Proof that a reader read everything: counts every entry by its payload, and compares the first and the last entry
 * with the written ones. A benchmark that reads nothing, or other data, fails.
 */
export class ReadCheck {
  entries = 0;
  #bytes = 0;
  #first: Uint8Array | undefined;
  #last: Uint8Array | undefined;

  /** Takes one entry. Reads the payload's length, so that every client has to decode it. */
  see(payload: Uint8Array): void {
    this.#first ??= payload;
    this.#last = payload;
    this.#bytes += payload.length;
    this.entries++;
  }

  /** Throws unless exactly `records` entries of the right size were seen, from the first payload to the last. */
  expect(records: number): void {
    if (records === 0) throw new Error("a benchmark over no records measures nothing");
    if (this.entries !== records) throw new Error(`read ${this.entries} entries, expected ${records}`);
    if (this.#bytes !== records * PAYLOAD_BYTES) {
      throw new Error(`read ${this.#bytes} payload bytes, expected ${records * PAYLOAD_BYTES}`);
    }
    if (!payloadAt(0).equals(this.#first!)) throw new Error("the first entry is not the first record written");
    if (!payloadAt(records - 1).equals(this.#last!)) throw new Error("the last entry is not the last record written");
  }
}
