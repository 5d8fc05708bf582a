import fc from "fast-check";

/** Characters that distinguish byte order from JavaScript's order, and text from control characters. */
const character = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom("a", "b", "Z", "0", "-", "/", ".", " ") },
  {
    weight: 3,
    arbitrary: fc.constantFrom("\u00e9", "\u07ff", "\u0800", "\ufeff", "\uffff", "\u{10000}", "\u{10ffff}"),
  },
  {
    weight: 1,
    arbitrary: fc.string({ unit: "binary", minLength: 1, maxLength: 1 }).filter((c) => !/\p{Cc}/u.test(c)),
  },
);

/** Valid names, mostly short. */
export const name: fc.Arbitrary<string> = fc
  .array(character, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(""));

/** Any text, including control characters: metadata has no restrictions. */
const text: fc.Arbitrary<string> = fc.string({ unit: "binary", maxLength: 6 });

export interface PlainRecord {
  readonly payload: Uint8Array;
  readonly metadata: Record<string, string>;
}

export const record: fc.Arbitrary<PlainRecord> = fc.record({
  payload: fc.uint8Array({ maxLength: 40 }),
  metadata: fc.dictionary(fc.oneof(text, fc.constant("\ufeff")), text, { maxKeys: 3 }),
});

/** Sequences and offsets: small ones, and those around the limits of varint lengths and of 32 bits. */
export const position: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1, max: 300 }),
  fc.constantFrom(127, 128, 16_383, 16_384, 2 ** 28, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 49, 2 ** 52),
);

/** Microseconds since 1970. */
export const micros: fc.Arbitrary<number> = fc.oneof(
  fc.integer({ min: 1, max: 2_000_000_000_000_000 }),
  fc.constantFrom(1, 999_999, 1_000_000, 1_700_000_000_000_000),
);
