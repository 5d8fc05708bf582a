import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Poller } from "./poller.ts";

/** A poller on a clock of its own, with the times of its looks since its start. */
function observed(found: (look: number) => boolean | Promise<boolean>, restMillis = 1_000) {
  const looks: { at: number; urgent: boolean }[] = [];
  const start = performance.now();
  const poller = new Poller({
    restMillis,
    look: async (urgent) => {
      looks.push({ at: performance.now() - start, urgent });
      return await found(looks.length);
    },
  });
  poller.start();
  const gaps = () => looks.map(({ at }, index) => at - (looks[index - 1]?.at ?? 0));
  return { poller, looks, gaps };
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.spyOn(Math, "random").mockReturnValue(0.5);
});

afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a poller", () => {
  it("looks once per rest interval while nothing happens", async () => {
    const { gaps } = observed(() => false);
    await vi.advanceTimersByTimeAsync(4_500);
    expect(gaps()).toEqual([1_000, 1_000, 1_000, 1_000]);
  });

  it("does not look continuously with the longest interval of a timer", async () => {
    vi.mocked(Math.random).mockReturnValue(0.999);
    const { looks } = observed(() => false, 2 ** 31 - 1);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(looks).toEqual([]);
  });

  it("looks again soon after a find, then less and less often", async () => {
    const { gaps } = observed((look) => look === 1);
    await vi.advanceTimersByTimeAsync(4_700);
    expect(gaps()).toEqual([1_000, 25, 50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it("continues after a failed look", async () => {
    const { gaps } = observed(() => Promise.reject(new Error("out of reach")));
    await vi.advanceTimersByTimeAsync(2_500);
    expect(gaps()).toEqual([1_000, 1_000]);
  });

  it("that was stopped with a hint follows hints when it is started again", async () => {
    const { poller, looks } = observed(() => false);
    poller.hint();
    poller.stop();
    poller.start();
    poller.hint();
    await vi.advanceTimersByTimeAsync(1);
    expect(looks).toMatchObject([{ urgent: true }]);
  });

  it("that was started again during a look follows the hints that come before its end", async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { poller, looks } = observed((look) => (look === 1 ? promise : false));
    poller.hint();
    await vi.advanceTimersByTimeAsync(1);
    poller.stop();
    poller.start();
    poller.hint();
    resolve(true);
    await vi.advanceTimersByTimeAsync(10);
    expect(looks).toMatchObject([{ urgent: true }, { urgent: true }]);
  });

  it("follows a hint at once with an urgent look, and true hints cause no pause", async () => {
    const { poller, looks } = observed(() => true);
    for (let count = 0; count < 5; count++) {
      poller.hint();
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(looks.map(({ urgent }) => urgent)).toEqual([true, true, true, true, true]);
  });

  it("looks once more for a hint that came during a look", async () => {
    let end = (_found: boolean) => {};
    const { poller, looks } = observed(
      () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    );
    poller.hint();
    await vi.advanceTimersByTimeAsync(1);
    poller.hint();
    poller.hint();
    await vi.advanceTimersByTimeAsync(1);
    expect(looks.length).toBe(1);
    end(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(looks.length).toBe(2);
  });

  it("follows a flood of useless hints at a bounded rate", async () => {
    const { poller, looks } = observed(() => false);
    for (let millis = 0; millis < 10_000; millis++) {
      for (let count = 0; count < 10; count++) poller.hint();
      await vi.advanceTimersByTimeAsync(1);
    }
    expect(looks.length).toBeLessThan(20);
    expect(looks.length).toBeGreaterThanOrEqual(10);
  });

  it("does nothing once it is stopped, even during a look, and can be started again", async () => {
    let end = (_found: boolean) => {};
    const { poller, looks } = observed(
      () =>
        new Promise((resolve) => {
          end = resolve;
        }),
    );
    await vi.advanceTimersByTimeAsync(1_001);
    poller.stop();
    end(true);
    poller.hint();
    await vi.advanceTimersByTimeAsync(5_000);
    expect(looks.length).toBe(1);
    poller.start();
    await vi.advanceTimersByTimeAsync(1_001);
    expect(looks.length).toBe(2);
  });
});
