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

  it("give a principal its share over all of its connections, and count calls in both", () => {
    const accounts = new Accounts(serverLimits({ ...limits, streamsPerPrincipal: 3, requestBytesPerPrincipal: 50 }));
    const a = accounts.connect("1").account;
    const b = accounts.connect("2").account;
    const first = a.with(accounts.principal("alice"));
    const second = b.with(accounts.principal("alice"));
    first.take("streams", 2);
    second.take("streams", 1);
    expect(() => second.take("streams", 1)).toThrow(/this principal has 3 open streams; the limit is 3/);
    expect([a.used("streams"), b.used("streams"), accounts.server.used("streams")]).toEqual([2, 1, 3]);
    b.with(accounts.principal("bob")).take("streams", 1);
    first.give("streams", 2);
    second.take("streams", 1);
    first.take("requestBytes", 25);
    expect(second.isHalfUsed("requestBytes")).toBe(true);
    expect(second.left("requestBytes")).toBe(25);
    expect(b.left("requestBytes")).toBe(40);
  });

  it("keep few accounts of principals that do nothing", () => {
    const accounts = new Accounts(limits);
    const busy = accounts.principal("busy");
    busy.add("streams", 1);
    for (let at = 0; at < 10_000; at++) accounts.principal(`p${at}`);
    expect(accounts.principals).toBeLessThanOrEqual(1_000);
    expect(accounts.principal("busy")).toBe(busy);
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
