import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { OPTIONS } from "./options.ts";
import { flagName, readOptions, UsageError, variableName } from "./read-options.ts";

const folder = mkdtempSync(join(tmpdir(), "streamkit-options-"));
afterAll(() => rmSync(folder, { recursive: true }));

const read = (flags: string[], environment: Record<string, string> = {}) =>
  readOptions(OPTIONS, { flags, environment });

function file(contents: unknown): string {
  const path = join(folder, `${crypto.randomUUID()}.json`);
  writeFileSync(path, typeof contents === "string" ? contents : JSON.stringify(contents));
  return path;
}

/** The message that refuses these options. */
function refusal(flags: string[], environment: Record<string, string> = {}): string {
  try {
    read(flags, environment);
  } catch (error) {
    expect(error).toBeInstanceOf(UsageError);
    return (error as Error).message;
  }
  return expect.unreachable();
}

/** A valid text for each option, for tests of all options. */
const SAMPLES: Record<string, string> = {
  storage: "memory",
  log: "json",
  corsOrigin: "https://a.example",
  limit: "streams=7",
  tlsClientCert: "request",
};
const SAMPLE = "100";
const OF_THE_FILE = Object.entries(OPTIONS).filter(([name]) => !["config", "help", "version"].includes(name));

describe("options", () => {
  it("have defaults", () => {
    expect(read([])).toMatchObject({ port: 8080, host: "127.0.0.1", storage: "level", corsOrigin: [], help: false });
    expect(read([]).tlsCert).toBe(undefined);
  });

  it.each(OF_THE_FILE)("%s comes from the flag, the environment and the file alike", (name, option) => {
    const value = option.value === undefined ? "true" : (SAMPLES[name] ?? SAMPLE);
    const flags = option.value === undefined ? [`--${flagName(name)}`] : [`--${flagName(name)}`, value];
    const expected = read(flags)[name as keyof typeof OPTIONS];
    expect(expected).not.toEqual(option.default);
    expect(read([], { [variableName(name)]: value })).toMatchObject({ [name]: expected });
    expect(read(["--config", file({ [flagName(name)]: value })])).toMatchObject({ [name]: expected });
  });

  it("from flags win over the environment, and the environment over the file", () => {
    const config = file({ port: 1, host: "file", path: "file" });
    const environment = { STREAMKIT_PORT: "2", STREAMKIT_HOST: "environment", STREAMKIT_CONFIG: config };
    expect(read(["--port", "3"], environment)).toMatchObject({ port: 3, host: "environment", path: "file" });
  });

  it("come from the variables that platforms set, after our own, before the file", () => {
    const config = file({ port: 1 });
    expect(read(["--config", config], { PORT: "5" }).port).toBe(5);
    expect(read([], { PORT: "5", STREAMKIT_PORT: "6" }).port).toBe(6);
    expect(read([], { PORT: "" }).port).toBe(8080);
  });

  it("that may be repeated are lists everywhere", () => {
    const origins = ["https://a.example", "http://b.example:8081"];
    expect(read(origins.flatMap((origin) => ["--cors-origin", origin])).corsOrigin).toEqual(origins);
    expect(read([], { STREAMKIT_CORS_ORIGIN: origins.join(", ") }).corsOrigin).toEqual(origins);
    expect(read(["--config", file({ "cors-origin": origins })]).corsOrigin).toEqual(origins);
  });

  it("may be JSON numbers in the file", () => {
    expect(read(["--config", file({ port: 9000, "dedupe-window": 0.5e2 })])).toMatchObject({
      port: 9000,
      dedupeWindow: 50,
    });
  });

  it("of one letter ask for help and the version, even if the file is broken", () => {
    expect(read(["-h"]).help).toBe(true);
    expect(read(["-v"]).version).toBe(true);
    expect(read(["-h"], { STREAMKIT_CONFIG: "/nowhere/streamkit.json" }).help).toBe(true);
  });
});

describe("refusals name the place, the value and the expected form", () => {
  it.each(["1.5", "-1", "65536", "1e3", "0x10", " 80", "", "eighty"])("--port=%s", (value) => {
    expect(refusal([`--port=${value}`])).toBe(`--port is "${value}"; expected a whole number from 0 to 65535`);
  });

  it.each(["0", "", "1,5", "Infinity", "NaN", "9999999"])("--dedupe-window=%s", (value) => {
    expect(refusal([`--dedupe-window=${value}`])).toBe(
      `--dedupe-window is "${value}"; expected a number from 1 to 2592000`,
    );
  });

  it.each([
    ["example.com", ""],
    ["https://example.com/", "; did you mean https://example.com?"],
    ["https://example.com/app", "; did you mean https://example.com?"],
    ["https://example.com:443", "; did you mean https://example.com?"],
    ["https://Example.com", "; did you mean https://example.com?"],
    ["https://münchen.example", "; did you mean https://xn--mnchen-3ya.example?"],
    ["https://*.example.com/", "; did you mean https://*.example.com?"],
    ["null", ""],
    ["", ""],
    ["capacitor://localhost/", ""],
  ])("--cors-origin=%s", (value, hint) => {
    expect(refusal([`--cors-origin=${value}`])).toBe(
      `--cors-origin is "${value}"; expected "*" or an origin such as https://app.example.com: scheme, host and port only${hint}`,
    );
  });

  it.each(["*", "https://example.com", "http://127.0.0.1:5173", "http://[::1]:5173", "capacitor://localhost"])(
    "but --cors-origin=%s is fine",
    (value) => {
      expect(read([`--cors-origin=${value}`]).corsOrigin).toEqual([value]);
    },
  );

  it("also from the environment and the file", () => {
    expect(refusal([], { PORT: "tcp://10.0.0.1:80" })).toMatch(
      /^PORT is "tcp:\/\/10.0.0.1:80"; expected a whole number/,
    );
    expect(refusal([], { STREAMKIT_STORAGE: "disk" })).toBe(
      'STREAMKIT_STORAGE is "disk"; expected level, memory or azure',
    );
    const config = file({ port: 1.5 });
    expect(refusal(["--config", config])).toMatch(`"port" in ${config} is "1.5"; expected a whole number`);
  });

  it.each([
    [{ prot: 80 }, /"prot" in .* is not an option; expected one of port, host, /],
    [{ config: "x" }, /"config" in .* is not an option/],
    [{ port: null }, /"port" in .* is null; expected a string, a number, true or false/],
    [{ port: [1, 2] }, /"port" in .* is \[1,2\]; expected/],
    [{ "cors-origin": [{}] }, /"cors-origin" in .*; expected a string/],
    [[], /does not hold options; expected a JSON object/],
    ["{port: 1}", /is not JSON at position 1.*; expected an object such as/],
    ["", /is not JSON; expected/],
  ])("file %j", (contents, message) => {
    expect(refusal(["--config", file(contents)])).toMatch(message);
  });

  it("a missing file", () => {
    expect(refusal(["--config", "/nowhere/options.json"])).toMatch(/ENOENT.*'\/nowhere\/options.json'/);
  });

  it("an unknown option, a missing value, an argument", () => {
    expect(refusal(["--prot", "80"])).toMatch(/'--prot'/);
    expect(refusal(["--port"])).toMatch(/--port/);
    // The text may be a part of a secret.
    expect(refusal(["4z0k"])).toMatch(/^an argument follows no option/);
    expect(refusal(["4z0k"])).not.toContain("4z0k");
  });

  it("and never repeat a secret", () => {
    const secret = "hunter2";
    expect(refusal(["--config", file({ bus: { url: secret } })])).not.toMatch(secret);
    expect(refusal(["--config", file(`{"bus": "redis://user:${secret}@host" oops}`)])).not.toMatch(secret);
    expect(refusal(["--config", file(`{"bus": "redis://user:${secret}`)])).not.toMatch(secret);
    expect(refusal(["--config", file(secret)])).not.toMatch(secret);
  });
});
