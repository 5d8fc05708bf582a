/** Kinds of options. A kind defines the valid texts and their values. */

/** A text that an option does not accept. `expected` completes the sentence "expected ...". */
export class UnusableValue extends Error {
  readonly value: string;
  readonly expected: string;

  constructor(value: string, expected: string) {
    super(`expected ${expected}`);
    this.value = value;
    this.expected = expected;
  }
}

/** One option: its parser, and its part of the help. */
export interface Option<T> {
  /** One line for the help. */
  readonly help: string;
  /** Stands for the value in the help: "N", "FILE". A switch has none. */
  readonly value?: string;
  /** The value if no source gives one. Without a default, the value is `undefined`, or an empty list. */
  readonly default?: T;
  /** A flag of one letter, "h" for -h. */
  readonly letter?: string;
  /** Variables to look at after STREAMKIT_<NAME>, such as PORT. */
  readonly environment?: readonly string[];
  /** True if messages must not repeat the value. */
  readonly secret?: boolean;
  /** True if the option may be given several times. */
  readonly list: boolean;
  /** @throws UnusableValue for a text that the option does not accept */
  parse(texts: readonly string[]): T;
}

/** The properties that all kinds of options share. Without a default, the value may be `undefined`. */
type Details<D> = Omit<Option<unknown>, "list" | "parse" | "default"> & { readonly default?: D };

/** An option with one value: the last given one. */
function single<T, D>(details: Details<D>, parse: (text: string) => T): Option<T | D> {
  return { ...details, list: false, parse: (texts) => parse(texts.at(-1) ?? "") };
}

/** A whole number from `min` to `max`. */
export function integer<D extends number | undefined = undefined>(min: number, max: number, details: Details<D>) {
  return single<number, D>(details, (text) => {
    const number = Number(text);
    if (/^\d+$/.test(text) && number >= min && number <= max) return number;
    throw new UnusableValue(text, `a whole number from ${min} to ${max}`);
  });
}

/** A number from `min` to `max`, with decimals. */
export function decimal<D extends number | undefined = undefined>(min: number, max: number, details: Details<D>) {
  return single<number, D>(details, (text) => {
    const number = Number(text);
    if (/^\d+(\.\d+)?$/.test(text) && number >= min && number <= max) return number;
    throw new UnusableValue(text, `a number from ${min} to ${max}`);
  });
}

/** Any text except an empty one. */
export function text<D extends string | undefined = undefined>(details: Details<D>) {
  return single<string, D>(details, (text) => {
    if (text !== "") return text;
    throw new UnusableValue(text, "a value that is not empty");
  });
}

/** One of a few words. */
export function choice<T extends string, D extends T | undefined = undefined>(
  choices: readonly T[],
  details: Details<D>,
) {
  return single<T, D>(details, (text) => {
    const found = choices.find((choice) => choice === text);
    if (found !== undefined) return found;
    throw new UnusableValue(text, `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`);
  });
}

/** On or off. The flag alone means on; the environment and the file say "true" or "false". */
export function toggle(details: Details<boolean>): Option<boolean> {
  return {
    ...single<boolean, boolean>(details, (text) => {
      if (text === "true" || text === "1") return true;
      if (text === "false" || text === "0") return false;
      throw new UnusableValue(text, "true or false");
    }),
    default: details.default ?? false,
  };
}

/** An option that may be given several times. Commas separate the values in the environment. */
export function list<T>(details: Details<readonly T[]>, parse: (text: string) => T): Option<readonly T[]> {
  return { default: [], ...details, list: true, parse: (texts) => texts.map(parse) };
}
