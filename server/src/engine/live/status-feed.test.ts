import { describe, expect, it } from "vitest";
import { StatusSubscription } from "./status-feed.ts";

const all = { segment: "", prefix: "" };

describe("a status subscription", () => {
  it("remembers each name once, however often its segment changes", () => {
    const subscription = new StatusSubscription(all, () => {});
    for (let round = 0; round < 1_000; round++) subscription.touch(["a", "b"]);
    expect(subscription.take()).toEqual(new Set(["a", "b"]));
    expect(subscription.take()).toBeUndefined();
  });

  it("remembers a bounded number of names, and beyond it that all may have changed", () => {
    const subscription = new StatusSubscription(all, () => {});
    for (let at = 0; at < 70_000; at++) subscription.touch([`s${at}`]);
    expect(subscription.take()).toBe("everything");
    expect(subscription.take()).toBeUndefined();
    subscription.touch(["a"]);
    expect(subscription.take()).toEqual(new Set(["a"]));
  });

  it("of one segment is touched when all segments are", () => {
    const subscription = new StatusSubscription({ segment: "a", prefix: "" }, () => {});
    subscription.touch(["b"]);
    expect(subscription.take()).toBeUndefined();
    subscription.touch(undefined);
    expect(subscription.take()).toEqual(new Set(["a"]));
  });

  it("wakes its waiter only for watched segments", () => {
    const subscription = new StatusSubscription({ segment: "", prefix: "bin-" }, () => {});
    let wakes = 0;
    const cancel = subscription.onWake(() => wakes++);
    subscription.touch(["box-1"]);
    expect(wakes).toBe(0);
    subscription.touch(["box-1", "bin-1"]);
    expect(wakes).toBe(1);
    cancel();
    subscription.touch(["bin-1"]);
    expect(wakes).toBe(1);
  });
});
