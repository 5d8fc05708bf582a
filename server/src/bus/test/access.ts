/** Shared parts of the tests of credentials. Each of them fails if a secret shows anywhere. */
import { execFile } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";
import { inspect, promisify } from "node:util";
import { expect, vi } from "vitest";
import type { Bus } from "../port.ts";
import type { RemoteBusOptions } from "../remote/options.ts";
import { eventually, StateLog } from "./state-log.ts";

type MakeBus = (url: string, options: RemoteBusOptions) => Bus;

/** Resolves once a message has passed through a bus of this URL. Fails if any of the secrets shows. */
export async function works(makeBus: MakeBus, url: string, secrets: readonly string[] = []): Promise<Bus> {
  const { bus } = await observe(makeBus, url, secrets, async (bus, log) => {
    await log.reach("up");
    let heard = 0;
    bus.subscribe("topic", () => void heard++);
    await eventually("a message arrives", () => {
      bus.publish("topic", Uint8Array.of(1));
      return heard > 0;
    });
  });
  return bus;
}

/** Resolves with the reported error for a URL that does not work. Fails if any of the secrets shows. */
export async function refusal(
  makeBus: MakeBus,
  url: string,
  secrets: readonly string[] = [],
  options: RemoteBusOptions = {},
): Promise<string> {
  const makeWithOptions: MakeBus = (url, reporting) => makeBus(url, { ...options, ...reporting });
  const { log } = await observe(makeWithOptions, url, secrets, (_, log) => log.reach("down"));
  return log.lastError;
}

/** Closes buses while a server with an untrusted certificate greets them. Fails if an error escapes. */
export async function expectQuietRefusal(makeBus: MakeBus, url: string): Promise<void> {
  const escaped: unknown[] = [];
  const note = (error: unknown) => void escaped.push(error);
  process.on("uncaughtException", note);
  try {
    for (let attempt = 0; attempt < 40; attempt++) {
      const bus = makeBus(url, {});
      // At a different stage of the handshake each time.
      await delay(attempt % 10);
      await bus.close();
    }
    // Once the server has refused another bus, errors of the earlier ones have arrived too.
    await refusal(makeBus, url);
  } finally {
    process.off("uncaughtException", note);
  }
  expect(escaped).toEqual([]);
}

async function observe(
  makeBus: MakeBus,
  url: string,
  secrets: readonly string[],
  use: (bus: Bus, log: StateLog) => Promise<void>,
) {
  const written: unknown[] = [];
  const spies = (["log", "info", "warn", "error", "debug"] as const).map((method) =>
    vi.spyOn(console, method).mockImplementation((...content) => void written.push(content)),
  );
  const log = new StateLog();
  const bus = makeBus(url, { onStateChange: log.onStateChange });
  try {
    await use(bus, log);
  } finally {
    await bus.close();
    for (const spy of spies) spy.mockRestore();
  }
  expect(written).toEqual([]);
  // Everything that a log could show of the bus.
  expectNone(secrets, inspect([bus, log], { depth: 20, showHidden: true }));
  return { bus, log };
}

function expectNone(secrets: readonly string[], text: string): void {
  for (const secret of secrets) expect(text).not.toContain(secret);
}

/** Fails unless `makeBus` refuses the URL at once, with an error that contains no part of it. */
export function expectMalformed(makeBus: MakeBus, url: string, secrets: readonly string[]): void {
  let error: unknown;
  try {
    makeBus(url, {});
  } catch (thrown) {
    error = thrown;
  }
  expect(error, url).toBeInstanceOf(TypeError);
  const everything = inspect(error, { depth: 20, showHidden: true });
  expect(everything).toMatch(/expected a URL of the form \w+:|the URL has a \w+ but no \w+/);
  expectNone(secrets, everything);
}

/** The error message of a process that makes such a bus where a package is not installed. */
export async function messageWithout(name: string, moduleUrl: string, call: string): Promise<string> {
  const script = `
    import { registerHooks } from "node:module";
    registerHooks({
      resolve(specifier, context, next) {
        if (specifier !== ${JSON.stringify(name)}) return next(specifier, context);
        throw Object.assign(new Error("no such package"), { code: "MODULE_NOT_FOUND" });
      },
    });
    const bus = await import(${JSON.stringify(moduleUrl)});
    try {
      bus.${call};
    } catch (error) {
      console.log(error.message);
    }`;
  const flags = ["--conditions=@streamkit/source", "--input-type=module", "-e", script];
  return (await promisify(execFile)(process.execPath, flags)).stdout.trim();
}
