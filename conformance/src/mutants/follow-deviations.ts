import { type Bends, bentTransport, type ReadResponse } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

function bend(name: string, wrong: string, pages: NonNullable<Bends["pages"]>): Deviation {
  const bends: Bends = {
    pages: (responses, request) => (request.follow ? pages(responses, request) : responses),
  };
  return { name, wrong, where: "follow", transport: (next) => bentTransport(next, bends) };
}

/** Servers with faults in follows. */
export const FOLLOW_DEVIATIONS: readonly Deviation[] = [
  bend("lost-hand-over-entry", "loses the first batch after the head was reached", async function* (responses) {
    let atHead = false;
    let lost = false;
    for await (const response of responses) {
      if (atHead && !lost && response.batches.length > 0) {
        lost = true;
        response.batches.shift();
      }
      atHead ||= response.caughtUp;
      yield response;
    }
  }),
  bend("repeated-hand-over-entry", "delivers the first live batch twice", async function* (responses) {
    let atHead = false;
    let repeated = false;
    for await (const response of responses) {
      yield response;
      if (atHead && !repeated && response.batches.length > 0) {
        repeated = true;
        yield response;
      }
      atHead ||= response.caughtUp;
    }
  }),
  bend("reordered-live-events", "delivers live responses in pairs, swapped", async function* (responses) {
    let held: ReadResponse | undefined;
    for await (const response of responses) {
      if (response.batches.length === 0) yield response;
      else if (held === undefined) held = response;
      else {
        yield response;
        yield held;
        held = undefined;
      }
    }
    if (held !== undefined) yield held;
  }),
  bend("ends-at-head", "ends a follow when it reaches the head", async function* (responses) {
    for await (const response of responses) {
      yield response;
      if (response.caughtUp) return;
    }
  }),
  bend("late-first-response", "sends nothing until there is an entry", async function* (responses) {
    let begun = false;
    for await (const response of responses) {
      begun ||= response.batches.length > 0;
      if (begun) yield response;
    }
  }),
  bend("no-heartbeat", "sends no empty responses after the first", async function* (responses) {
    let first = true;
    for await (const response of responses) {
      if (first || response.batches.length > 0) yield response;
      first = false;
    }
  }),
  bend("history-only-once", "skips the entries from before the follow", async function* (responses) {
    let atHead = false;
    for await (const response of responses) {
      if (!atHead) response.batches = [];
      atHead ||= response.caughtUp;
      yield response;
    }
  }),
  bend("endless-follow", "does not end a follow at its limit or maximum", async function* (responses) {
    yield* responses;
    await new Promise<never>(() => {});
  }),
];
