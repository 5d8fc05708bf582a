import type { AllowedOrigins } from "./cors-rules.ts";

/**
 * Checks that a text is what browsers send as `Origin`: scheme, host and port, nothing else.
 *
 * @returns the text
 * @throws Error that says what it should be, without repeating the text
 */
export function parseOrigin(text: string): string {
  const expected = "an origin such as https://app.example.com: scheme, host and port only";
  // Applications in a web view have schemes of their own, such as capacitor://localhost, which URL knows no origin for.
  if (/^(?!https?:)[a-z][a-z0-9+.-]*:\/\/[^\s/?#@]+$/.test(text)) return text;
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) throw new Error(expected);
  if (url.origin === text) return text;
  throw new Error(`${expected}; did you mean ${url.origin}?`);
}

/** @throws TypeError that names an origin that no browser sends */
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
