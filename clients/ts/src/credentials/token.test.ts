import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { StreamkitError } from "../errors/error.ts";
import { createStreamkitClient } from "../index.ts";
import { createWebTransport } from "../web.ts";
import { expiryOf, isToken, mismatch, Token } from "./token.ts";

afterEach(() => {
  vi.useRealTimers();
});

/** An unsigned JWT. */
function jwt(claims: unknown): string {
  return `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.c2ln`;
}

test("reads the end of a JWT, with any other claims", () => {
  for (const name of ["", "Zoë", "日本", "😀", '"\\\u0000\n', "\ud800"]) {
    for (const exp of [0, 1.5, 1_800_000_000]) expect(expiryOf(jwt({ name, exp, [name]: name }))).toBe(exp * 1_000);
  }
});

test("takes a token without a readable end for one without an end", () => {
  const others = [jwt({}), jwt({ exp: "1" }), jwt({ exp: null }), jwt(null), jwt([1]), "abc", "a.b.c", "..", "a.*.c"];
  expect(others.map(expiryOf)).toEqual(others.map(() => Number.NaN));
  fc.assert(fc.property(fc.string(), (text) => Number.isNaN(expiryOf(text))));
});

test("asks for the next token between half of the life and a fifth, and 30 seconds if they lie between", () => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  fc.assert(
    fc.property(fc.integer({ min: 4, max: 1_000_000 }), (seconds) => {
      const left = (seconds: number) => {
        const token = new Token(jwt({ exp: 1_800_000_000 + seconds }), false);
        return (token.expiresAt - token.refreshAt) / 1_000;
      };
      const lead = seconds < 60 ? seconds / 2 : seconds < 150 ? 30 : seconds / 5;
      expect(left(seconds)).toBeGreaterThanOrEqual(lead - 0.001);
      expect(left(seconds)).toBeLessThanOrEqual(lead * 1.25 + 0.001);
    }),
  );
});

test("does not ask again within a second, nor ahead of an end that is unknown or has passed", () => {
  vi.useFakeTimers({ now: 1_800_000_000_000 });
  const refreshAt = (exp?: number) => new Token(jwt({ exp }), false).refreshAt;
  expect(refreshAt(1_800_000_000 + 1)).toBe(1_800_000_001_000);
  for (const exp of [undefined, 1_800_000_000, 1_700_000_000]) {
    expect(new Token(jwt({ exp }), false)).toMatchObject({ refreshAt: Infinity, expiresAt: Infinity });
  }
});

test("takes the characters of RFC 6750 for a token, and nothing else", () => {
  const good = [jwt({ exp: 1 }), "a", "sk_live-1.2~3+4/5==", "a".repeat(8_192)];
  const bad = [
    "",
    "a b",
    "a\nb",
    "a\r\nx: y",
    "a\n",
    "\0",
    "ä",
    "Bearer a",
    "a=b",
    "=",
    "a".repeat(8_193),
    1,
    null,
    {},
  ];
  expect(good.map(isToken)).toEqual(good.map(() => true));
  expect(bad.map(isToken)).toEqual(bad.map(() => false));
});

test("tells how a value differs from a token, and never the value", () => {
  const got = (value: unknown) => mismatch(value).split("; got ")[1];
  expect(got("")).toBe("0 characters");
  expect(got("Bearer secret")).toBe("13 characters");
  expect(got("s".repeat(9_000))).toBe("9000 characters");
  expect(got({ access_token: "secret" })).toBe("object");
  expect(got(undefined)).toBe("undefined");
  expect(got(123456)).toBe("number");
});

test("a client refuses a bad token at once, and does not tell it", () => {
  const transport = createWebTransport({ baseUrl: "http://127.0.0.1:1" });
  for (const token of ["", "secret secret", "secret\r\nx: y", 7, {}, null]) {
    try {
      createStreamkitClient({ transport, token: token as string });
      expect.fail("the client took a bad token");
    } catch (error) {
      expect(error).toBeInstanceOf(StreamkitError);
      expect(error).toMatchObject({ reason: "INVALID_FIELD", fieldViolations: [{ field: "token" }] });
      expect(String(error)).not.toContain("secret");
    }
  }
});
