/** The command line of the standalone server, in processes of its own. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { VERSION } from "../src/version.ts";
import { runServer as run } from "./run-server.ts";
import { startServer } from "./server-process.ts";

const BIN = fileURLToPath(new URL("../src/bin.ts", import.meta.url));

describe("streamkit-server", { timeout: 120_000 }, () => {
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
    expect((await run(["--storage", "azure"], { AZURE_STORAGE_CONNECTION_STRING: "" })).code).toBe(2);
  });

  it("ends with code 1 and one line when it cannot start", async () => {
    await using other = await startServer("unused", "--storage", "memory");
    const { code, error } = await run(["--storage", "memory", "--port", new URL(other.url).port]);
    expect(code).toBe(1);
    expect(error).toMatch(/^streamkit-server: cannot start: .*EADDRINUSE.*\n$/);
  });

  it("names the option of an unusable certificate", async () => {
    const { code, error } = await run(["--storage", "memory", "--tls-cert", BIN, "--tls-key", "missing.pem"]);
    expect(code).toBe(1);
    expect(error).toMatch(/^streamkit-server: cannot start: --tls-key cannot be read: .*'missing\.pem'\n$/);
  });

  it.each([
    [["--azure-endpoint", "https://account.table.core.windows.net"], {}],
    [[], { AZURE_STORAGE_CONNECTION_STRING: "UseDevelopmentStorage=true" }],
  ])("warns that an account without --storage azure has no effect: %j %j", async (flags, environment) => {
    // Nobody can listen on this address, so the server ends.
    const host = ["--host", "192.0.2.1", "--insecure"];
    const { error } = await run(["--storage", "memory", ...host, ...flags], environment);
    expect(error).toContain("the account of Azure has no effect: entries go to memory storage");
    expect(error).not.toMatch(/core\.windows\.net|UseDevelopmentStorage/);
  });

  describe("without authentication", () => {
    it("refuses other addresses than those of this machine", async () => {
      const { code, out, error } = await run(["--storage", "memory", "--host", "0.0.0.0"]);
      expect({ code, out }).toEqual({ code: 2, out: "" });
      const [line, empty] = error.split("\n");
      expect(line).toContain("streamkit-server: --host 0.0.0.0 lets other machines in, and no caller is authenticated");
      expect(empty).toBe("");
    });

    it("takes other addresses with --insecure, and warns", async () => {
      await using server = await startServer("unused", "--storage", "memory", "--host", "0.0.0.0", "--insecure");
      expect(server.url).toContain("http://0.0.0.0:");
      await expect
        .poll(server.errors)
        .toBe(
          "streamkit: warn: unsafe-setup: --host 0.0.0.0 lets other machines in, and no caller is authenticated: " +
            "they can read and change everything (--insecure)\n",
        );
    });
  });

  it.each([
    [["--tls-cert", "x"], "--tls-cert and --tls-key need each other"],
    [["--tls-client-ca", "x"], "--tls-client-ca needs --tls-cert and --tls-key"],
    [["--tls-client-cert", "request"], "--tls-client-cert needs --tls-client-ca"],
  ])("refuses %j alone", async (flags, message) => {
    const { code, error } = await run(["--storage", "memory", ...flags]);
    expect({ code, error }).toMatchObject({ code: 2, error: expect.stringContaining(message) });
  });

  it("has a larger heap from the start, in the same process", async () => {
    await using server = await startServer("unused", "--storage", "memory");
    const command = await readFile(`/proc/${server.child.pid}/cmdline`, "utf8");
    expect(command.split("\0")).toContain("--initial-old-space-size=128");
    expect(await server.end("SIGTERM")).toEqual({ code: 0, signal: null });
  });
});
