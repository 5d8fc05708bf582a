import { describe, expect, it } from "vitest";
import { hostCheck, isLoopback, parseHostname } from "./authority.ts";
import { connectionsFor } from "./open-files.ts";

describe("parseHostname", () => {
  it.each([
    ["localhost", "localhost"],
    ["LocalHost:8080", "localhost"],
    ["127.0.0.1:1", "127.0.0.1"],
    ["[::1]:8080", "[::1]"],
    ["a-b.c_d.example", "a-b.c_d.example"],
  ])("%s names %s", (authority, hostname) => {
    expect(parseHostname(authority)).toBe(hostname);
  });

  it.each([undefined, "", "[", "a b", "a@b", "a/b", "x:99999", "x:y", ":80", "%", "[::g]", "a,b"])(
    "%j names none",
    (text) => {
      expect(parseHostname(text)).toBe(undefined);
    },
  );
});

it("hostCheck accepts loopback names, addresses and allowed names", () => {
  const known = hostCheck(["A.example"]);
  expect(["localhost", "127.0.0.1", "[::1]", "10.0.0.1", "[fe80::1]", "a.example"].every(known)).toBe(true);
  expect(["b.example", "a.example.b", "1.2.3", "localhost.b"].some(known)).toBe(false);
  expect(hostCheck("*")("b.example")).toBe(true);
  expect(hostCheck(["*"])("b.example")).toBe(true);
});

it("isLoopback accepts addresses that only this machine reaches", () => {
  expect(["localhost", "127.0.0.1", "127.1.2.3", "::1"].every(isLoopback)).toBe(true);
  expect(["0.0.0.0", "::", "192.168.0.1", "example.com", "1127.0.0.1"].some(isLoopback)).toBe(false);
});

it("connectionsFor leaves files for storage", () => {
  expect(connectionsFor(10_000, undefined)).toBe(10_000);
  expect(connectionsFor(10_000, 65_536)).toBe(10_000);
  expect(connectionsFor(10_000, 1_024)).toBe(768);
  expect(connectionsFor(10_000, 100)).toBe(50);
  expect(connectionsFor(10, 1_024)).toBe(10);
});
