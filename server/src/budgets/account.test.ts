import { describe, expect, it } from "vitest";
import { Accounts } from "./account.ts";
import { DEFAULT_SERVER_LIMITS, serverLimits } from "./limits.ts";

const limits = serverLimits({
  streams: 10,
  streamsPerAddress: 6,
  streamsPerConnection: 4,
  requestBytes: 100,
  requestBytesPerAddress: 60,
  requestBytesPerConnection: 40,
});

describe("Accounts", () => {
  it("give a connection its share, an address its own, and the server all", () => {
    const accounts = new Accounts(limits);
    const a = accounts.connect("1").account;
    const b = accounts.connect("1").account;
    const c = accounts.connect("2").account;
    a.take("streams", 4);
    expect(() => a.take("streams", 1)).toThrow(/this connection has 4 open streams; the limit is 4/);
    b.take("streams", 2);
    expect(() => b.take("streams", 1)).toThrow(/this address has 6 open streams; the limit is 6/);
    c.take("streams", 4);
    expect(() => accounts.connect("3").account.take("streams", 1)).toThrow(/this server has 10 open streams/);
    expect(accounts.server.used("streams")).toBe(10);
    a.give("streams", 4);
    b.take("streams", 1);
    expect(accounts.server.used("streams")).toBe(7);
  });

  it("take nothing from any account when one is full", () => {
    const accounts = new Accounts(limits);
    const a = accounts.connect("1").account;
    expect(() => a.take("requestBytes", 41)).toThrow(/OVERLOADED|limit is 40/);
    expect(a.used("requestBytes")).toBe(0);
    expect(accounts.server.used("requestBytes")).toBe(0);
    expect(a.left("requestBytes")).toBe(40);
    accounts.server.add("requestBytes", 90);
    expect(a.left("requestBytes")).toBe(10);
  });

  it("forget an address with its last connection", () => {
    const accounts = new Accounts(limits);
    const first = accounts.connect("1");
    const second = accounts.connect("1");
    first[Symbol.dispose]();
    expect(accounts.connections("1")).toBe(1);
    second[Symbol.dispose]();
    expect(accounts.connections("1")).toBe(0);
  });
});

it("serverLimits names the invalid limit", () => {
  expect(serverLimits()).toEqual(DEFAULT_SERVER_LIMITS);
  expect(serverLimits({ streams: undefined as never })).toEqual(DEFAULT_SERVER_LIMITS);
  expect(() => serverLimits({ stream: 1 } as never)).toThrow(/limits.stream is not a limit/);
  for (const value of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1" as never]) {
    expect(() => serverLimits({ streams: value })).toThrow(/limits.streams is .*; expected a positive integer/);
  }
});
