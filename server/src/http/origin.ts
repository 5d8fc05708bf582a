import type { AllowedOrigins } from "./cors-rules.ts";

/**
 * Checks that a text is an origin as browsers send it in `Origin`: scheme, host and port only.
 *
 * @returns the text
 * @throws Error that names the expected form and does not repeat the text
 */
export function parseOrigin(text: string): string {
  const expected = "an origin such as https://app.example.com: scheme, host and port only";
  // Applications in a web view have their own schemes, such as capacitor://localhost. URL gives them no origin.
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(text)) return text;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error(expected);
  if (url.origin === text) return text;
  throw new Error(`${expected}; did you mean ${url.origin}?`);
}

/** @throws TypeError if the list has an entry that no browser sends as origin */
export function checkOrigins(allowed: AllowedOrigins | undefined): void {
  if (allowed === undefined || allowed === "*") return;
  for (const origin of allowed) {
    if (origin === "*") throw new TypeError('cors holds "*"; to allow all origins, give "*" itself instead of a list');
    try {
      parseOrigin(origin);
    } catch (error) {
      throw new TypeError(`cors holds "${origin}"; expected ${(error as Error).message}`);
    }
  }
}
