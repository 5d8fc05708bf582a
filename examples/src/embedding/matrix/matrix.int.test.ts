/**
 * Every kind of client against every way to embed the server. Each pair appends, reads back and follows one live entry,
 * or the client reports the problem at once. Prints the table of docs/embedding.md.
 */
import { readFile } from "node:fs/promises";
import { afterAll, describe, expect, test } from "vitest";
import { CLIENTS, type MatrixClient, type Target } from "./clients.ts";
import { EMBEDDINGS, type Embedding, startEmbedding, startFetchHandler } from "./servers.ts";

/** An idle machine needs two seconds. */
const COMPLAINT_MILLIS = 10_000;
const NO_GRPC = /a fetch handler cannot send the trailers of gRPC: call it with Connect or gRPC-Web/;
const NOT_IN_DOCS = new Set(["grpcurl"]);

interface Result {
  readonly works: boolean;
  readonly message: string;
  readonly millis: number;
}

const results = new Map<Embedding, Map<MatrixClient, Result>>();

function expectation(embedding: Embedding, client: MatrixClient): RegExp | "works" | "not applicable" {
  if (embedding.example === undefined) return client.overFetch ? "works" : "not applicable";
  const versions = client.http[embedding.tls ? "tls" : "plain"].filter((version) => embedding.http.includes(version));
  if (versions.length === 0) return client.complaint;
  return client.grpc && embedding.fetch ? (client.refusal ?? NO_GRPC) : "works";
}

async function attempt(client: MatrixClient, target: Target): Promise<Result> {
  const start = performance.now();
  const message = await client.roundTrip(target, AbortSignal.timeout(60_000)).then(
    () => undefined,
    (error: Error) => error.message,
  );
  return { works: message === undefined, message: message ?? "", millis: performance.now() - start };
}

describe.each(EMBEDDINGS)("$name", { timeout: 120_000 }, (embedding) => {
  const row = new Map<MatrixClient, Result>();
  results.set(embedding, row);

  test("every client", async () => {
    const { example } = embedding;
    const target =
      example === undefined ? startFetchHandler() : (await startEmbedding({ ...embedding, example })).target;
    for (const client of CLIENTS) {
      const expected = expectation(embedding, client);
      if (expected === "not applicable") continue;
      const result = await attempt(client, target);
      row.set(client, result);
      const pair = `${client.name} with ${embedding.name}`;
      if (expected === "works") {
        expect(result.message, pair).toBe("");
        continue;
      }
      expect(result.message, pair).toMatch(expected);
      expect(result.millis, pair).toBeLessThan(COMPLAINT_MILLIS);
    }
  });
});

afterAll(() => {
  for (const [embedding, row] of results) {
    for (const [client, { works, message, millis }] of row) {
      if (!works) console.log(`${embedding.name} | ${client.name} | ${(millis / 1_000).toFixed(1)} s | ${message}`);
    }
  }
});

test("docs/embedding.md has this table", async () => {
  const clients = CLIENTS.filter(({ name }) => !NOT_IN_DOCS.has(name));
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const cell = (result: Result | undefined) => (result === undefined ? "" : result.works ? "yes" : "no");
  const rows = [...results].map(([embedding, row]) => line([embedding.name, ...clients.map((c) => cell(row.get(c)))]));
  const table = [line(["", ...clients.map(({ name }) => name)]), line(["", ...clients].map(() => "---")), ...rows].join(
    "\n",
  );
  const docs = await readFile(new URL("../../../../docs/embedding.md", import.meta.url), "utf8");
  expect(/<!-- matrix -->\n\n([\s\S]*?)\n\n/.exec(docs)?.[1]).toBe(table);
});
