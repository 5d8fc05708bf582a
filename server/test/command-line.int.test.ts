/** The command line of the standalone server, in processes of its own. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { VERSION } from "../src/version.ts";
import { startServer } from "./server-process.ts";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

/** Runs the server until it ends by itself. */
async function run(flags: string[], environment: Record<string, string> = {}) {
  const child = spawn(process.execPath, ["--conditions=@streamkit/source", BIN, ...flags], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...environment },
  });
  const written = { out: "", error: "" };
  child.stdout.on("data", (chunk) => {
    written.out += chunk;
  });
  child.stderr.on("data", (chunk) => {
    written.error += chunk;
  });
  const [code] = await once(child, "close");
  return { code, ...written };
}

describe("streamkit-server", () => {
  it.each(["-v", "--version"])("%s prints the version", async (flag) => {
    expect(await run([flag])).toEqual({ code: 0, out: `${VERSION}\n`, error: "" });
  });

  it.each(["-h", "--help"])("%s prints the options", async (flag) => {
    expect(await run([flag])).toMatchObject({ code: 0, out: expect.stringContaining("--port N"), error: "" });
  });

  it("ends with code 2 and names the invalid value", async () => {
    const error = 'streamkit-server: STREAMKIT_PORT is "1.5"; expected a whole number from 0 to 65535\n';
    expect(await run([], { STREAMKIT_PORT: "1.5" })).toMatchObject({
      code: 2,
      out: "",
      error: expect.stringContaining(error),
    });
    expect((await run(["--tls-cert", "x"])).code).toBe(2);
    expect((await run(["--storage", "azure"], { AZURE_STORAGE_CONNECTION_STRING: "" })).code).toBe(2);
  });

  it("ends with code 1 and one line when it cannot start", async () => {
    await using other = await startServer("unused", "--storage", "memory");
    const { code, error } = await run(["--storage", "memory", "--port", new URL(other.url).port]);
    expect(code).toBe(1);
    expect(error).toMatch(/^streamkit-server: cannot start: .*EADDRINUSE.*\n$/);
  });

  it("names the option of an unusable certificate", async () => {
    const tls = (cert: string, key: string) => run(["--storage", "memory", "--tls-cert", cert, "--tls-key", key]);
    const missing = await tls(BIN, "missing.pem");
    expect(missing).toMatchObject({
      code: 1,
      error: expect.stringMatching(/cannot start: --tls-key .*'missing\.pem'\n$/),
    });
    const junk = await tls(BIN, BIN);
    expect(junk).toMatchObject({
      code: 1,
      error: expect.stringContaining(`--tls-cert ${BIN} and --tls-key ${BIN} are no`),
    });
  });

  it.each([
    [["--azure-endpoint", "https://account.table.core.windows.net"], {}],
    [[], { AZURE_STORAGE_CONNECTION_STRING: "UseDevelopmentStorage=true" }],
  ])("warns that an account without --storage azure has no effect: %j %j", async (flags, environment) => {
    const { error } = await run(["--storage", "memory", "--host", "192.0.2.1", ...flags], environment);
    expect(error).toContain("the account of Azure has no effect: entries go to memory storage");
    expect(error).not.toMatch(/core\.windows\.net|UseDevelopmentStorage/);
  });

  it("has a larger heap from the start, in the same process", async () => {
    await using server = await startServer("unused", "--storage", "memory");
    const command = await readFile(`/proc/${server.child.pid}/cmdline`, "utf8");
    expect(command.split("\0")).toContain("--initial-old-space-size=128");
    expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});
