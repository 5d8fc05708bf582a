import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createStreamkitClient } from "../index.ts";
import { createWebTransport, type TransportWarning } from "../web.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";

beforeEach(() => {
  vi.stubGlobal("document", {});
  vi.stubGlobal("location", new URL("http://app.example/"));
});
afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

/** A `fetch` without an answer, as to a server whose connections are all in use. */
const silent = (_: unknown, { signal }: RequestInit = {}) =>
  new Promise<Response>((_resolve, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));

function open(baseUrl: string, onWarning?: (warning: TransportWarning) => void) {
  const transport = createWebTransport({ baseUrl, fetch: silent as typeof fetch, ...(onWarning && { onWarning }) });
  return createStreamkitClient({ transport }).store(STORE).space("s");
}

/** Opens so many follows; ends them with the signal. */
async function follow(space: ReturnType<typeof open>, count: number, signal: AbortSignal): Promise<void> {
  for (let i = 0; i < count; i++) {
    space
      .segment(`s${i}`)
      .follow({ signal })
      [Symbol.asyncIterator]()
      .next()
      .catch(() => {});
  }
  await new Promise((resolve) => setTimeout(resolve));
}

test("H10: the sixth stream over HTTP/1.1 gives one warning", async () => {
  const warnings: TransportWarning[] = [];
  const space = open("http://one.example", (warning) => warnings.push(warning));
  using ending = endingSignal();
  await follow(space, 5, ending.signal);
  expect(warnings).toEqual([]);
  await follow(space, 2, ending.signal);
  expect(warnings).toMatchObject([
    { kind: "too-many-streams", message: expect.stringMatching(/HTTP\/1\.1.*browsers\.md/) },
  ]);
});

test("H10: streams of all transports of the page count, those that have ended do not", async () => {
  const warnings: TransportWarning[] = [];
  const spaces = [1, 2].map(() => open("http://two.example", (warning) => warnings.push(warning)));
  for (let i = 0; i < 3; i++) {
    const ended = new AbortController();
    await follow(spaces[0], 5, ended.signal);
    ended.abort();
    await new Promise((resolve) => setTimeout(resolve));
  }
  using ending = endingSignal();
  await follow(spaces[0], 3, ending.signal);
  expect(warnings).toEqual([]);
  await follow(spaces[1], 3, ending.signal);
  expect(warnings).toHaveLength(1);
});

test("H10: over TLS there is a warning only if the browser tells that it is HTTP/1.1", async () => {
  let nextHopProtocol = "h2";
  const entries = () => [{ name: "https://three.example/streamkit.v1.StreamService/Append", nextHopProtocol }];
  vi.stubGlobal("performance", { ...performance, now: () => 0, getEntriesByType: entries });
  const warnings: TransportWarning[] = [];
  const space = open("https://three.example", (warning) => warnings.push(warning));
  using ending = endingSignal();
  await follow(space, 6, ending.signal);
  expect(warnings).toEqual([]);
  nextHopProtocol = "http/1.1";
  await follow(space, 1, ending.signal);
  expect(warnings).toHaveLength(1);
});

test("H10: without onWarning the console is told, and outside of browsers nobody is", async () => {
  const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
  using ending = endingSignal();
  await follow(open("http://four.example"), 7, ending.signal);
  expect(warn).toHaveBeenCalledTimes(1);
  vi.unstubAllGlobals();
  await follow(open("http://five.example"), 7, ending.signal);
  expect(warn).toHaveBeenCalledTimes(1);
});

function endingSignal(): { signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  return { signal: controller.signal, [Symbol.dispose]: () => controller.abort() };
}
