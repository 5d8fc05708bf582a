import { readdirSync, readFileSync } from "node:fs";
import { create } from "@bufbuild/protobuf";
import { CellSchema, type Observation, OperationSchema, Verdict } from "@streamkit/protocol/conformance";
import { afterEach, describe, expect, it, vi } from "vitest";
import { loadCases } from "../suite/corpus/load.ts";
import { selectCases } from "../suite/corpus/select.ts";
import { runCell } from "../suite/run/cell.ts";
import { openServer } from "../suite/run/open-server.ts";
import { Started } from "../suite/run/started.ts";
import { runSuite } from "../suite/run/suite.ts";
import { AzureAccount } from "../suite/server/azure-account.ts";
import { startPages } from "./chromium.ts";

const cases = loadCases();
const select = (...ids: string[]) => selectCases(cases, { ids, clauses: [] });

function cellOf(transport: string, client: string) {
  return create(CellSchema, { backend: "memory", transport, wrapper: "plain", client });
}

/** Ids of the processes of Chromium that this process has started. */
function browsers(): string[] {
  return readdirSync("/proc").filter((pid) => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, "utf8");
      return /^Name:\s+chrom/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`);
    } catch {
      return false;
    }
  });
}

afterEach(() => {
  vi.unstubAllEnvs();
});

/** `npm run conformance -- --cell chromium` runs the whole corpus. */
describe("a part of the corpus in Chromium", () => {
  it.each([
    ["connect-h1", "sdk-chromium", select("APPEND-", "EXPECT-", "FOLLOW-")],
    ["grpc-web", "raw-chromium", select("ERROR-", "SEGMENT-", "CANCEL-")],
    ["websocket", "sdk-chromium", select("LEASE-", "WATCH-", "PAGE-")],
    ["websocket", "raw-chromium", select("PRODUCE-", "MERGE-", "PRESENCE-LARGE")],
  ])("%s, client %s", { timeout: 1_200_000 }, async (transport, client, selected) => {
    const report = await runSuite({ cells: [cellOf(transport, client)], cases: selected, anyStore: true });
    const failures = report.results.filter(({ verdict }) => verdict === Verdict.FAIL);
    expect(failures.map(({ caseId, reason }) => `${caseId}: ${reason}`)).toEqual([]);
    expect(report.conforms).toBe(true);
    const passed = report.results.filter(({ verdict }) => verdict === Verdict.PASS);
    expect(passed.length).toBeGreaterThan(selected.length / 2);
    expect(browsers()).toEqual([]);
  });
});

describe("a broken client in Chromium is found", () => {
  it.each([
    ["connect-h1", "forgets-expectation", "EXPECT-"],
    ["grpc-web", "loses-last-entry", "SEGMENT-BOUNDS-MIN"],
    ["websocket", "delivers-twice", "SEGMENT-BOUNDS-MIN"],
  ])("over %s: %s", { timeout: 600_000 }, async (transport, name, id) => {
    await using started = new Started();
    const cell = cellOf(transport, "raw-chromium");
    const instances = await openServer(cell, { anyStore: true }, new AzureAccount(), started);
    await using pages = await startPages(new URL("page/broken.ts", import.meta.url));
    const client = pages.client(name);
    const probe = await client(() => {});
    await probe.close();
    const results = await runCell(select(id), { cell, instances, client, hello: probe.hello });
    expect(results.filter(({ verdict }) => verdict === Verdict.FAIL).length).toBeGreaterThan(0);
  });
});

describe("the page", () => {
  const faulty = new URL("test/faulty-page.ts", import.meta.url);
  const connect = create(OperationSchema, {
    id: 1n,
    actor: "main",
    action: { case: "connect", value: { url: "http://127.0.0.1:9" } },
  });

  it("ends all operations when it is gone, and takes no more clients", { timeout: 120_000 }, async () => {
    await using pages = await startPages(faulty);
    const ended = Promise.withResolvers<Observation>();
    const client = await pages.client("leaves")(ended.resolve);
    client.perform(connect);
    const failure = { code: "UNKNOWN", message: "the page has ended" };
    expect(await ended.promise).toMatchObject({ operationId: 1n, event: { case: "end", value: { failure } } });
    await client.close();
    await expect(pages.client("leaves")(() => {})).rejects.toThrow("the page has ended");
  });

  it("ends all operations when it throws", { timeout: 120_000 }, async () => {
    await using pages = await startPages(faulty);
    const ended = Promise.withResolvers<Observation>();
    const client = await pages.client("throws")(ended.resolve);
    client.perform(connect);
    const failure = { message: expect.stringMatching(/^the page threw: Error: the fault of this client/) };
    expect(await ended.promise).toMatchObject({ operationId: 1n, event: { case: "end", value: { failure } } });
  });

  it("names its clients if it lacks one", { timeout: 120_000 }, async () => {
    await using pages = await startPages(faulty);
    await expect(pages.client("none")(() => {})).rejects.toThrow("the page has no client none; it has throws, leaves");
  });

  it("needs Chromium, and one line says how to install it", async () => {
    vi.stubEnv("CHROMIUM", "/nowhere/chromium");
    await expect(startPages()).rejects.toThrow(
      /^there is no Chromium at \/nowhere\/chromium: install it with: sudo apt-get install chromium;/,
    );
  });
});

it("a client in a page cannot call a server in this process", async () => {
  const cells = [cellOf("in-process", "sdk-chromium")];
  await expect(runSuite({ cells, cases: select("APPEND-FIRST"), anyStore: true })).rejects.toThrow(
    "sdk-chromium needs a transport over a network",
  );
});
