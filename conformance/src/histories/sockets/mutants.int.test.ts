import { randomUUID } from "node:crypto";
import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type AppendRequest, AppendResponseSchema, ErrorDetailSchema } from "@streamkit/protocol";
import { CellSchema } from "@streamkit/protocol/conformance";
import { expect, it } from "vitest";
import { type Bends, bentTransport } from "../../mutants/bent-transport.ts";
import { runHistory } from "../entries/run.ts";

/** Number of seeds after which a broken client counts as not found. Most need one. */
const MOST_SEEDS = 10;

/** Runs seeds with a broken client until one breaks any of the wanted clauses. Returns all broken clauses. */
async function brokenClauses(bends: Bends, wanted: readonly string[]): Promise<string[]> {
  const cell = create(CellSchema, { backend: "memory", transport: "websocket", wrapper: "plain", client: "raw" });
  const found = new Set<string>();
  for (let seed = 1; seed <= MOST_SEEDS && !wanted.some((clause) => found.has(clause)); seed++) {
    const { violations } = await runHistory(
      seed,
      cell,
      { anyStore: true },
      {
        ...{ transactions: 100, cuts: 24, followMillis: 1_000 },
        wrapTransport: (transport) => bentTransport(transport, bends),
      },
    );
    for (const { clause } of violations) found.add(clause);
  }
  return [...found];
}

/** Replaces the result of an append whose socket broke. */
function afterBreak(replace: (request: AppendRequest, send: () => Promise<unknown>) => Promise<unknown>): Bends {
  return {
    async around(rpc, request, send) {
      try {
        return await send();
      } catch (error) {
        const failure = ConnectError.from(error);
        const isBreak = failure.code === Code.Unavailable && failure.findDetails(ErrorDetailSchema).length === 0;
        if (rpc !== "Append" || !isBreak) throw error;
        return (await replace(request as AppendRequest, send)) as Awaited<ReturnType<typeof send>>;
      }
    },
  };
}

it.each<[string, Bends, string]>([
  [
    "continues a follow one entry too late",
    {
      read(request) {
        if (!request.follow) return;
        if ("minSequence" in request && request.minSequence > 1n) request.minSequence += 1n;
        if ("minOffset" in request && request.minOffset > 1n) request.minOffset += 1n;
      },
    },
    "ORD-002",
  ],
  ["takes an append for done when its socket breaks", afterBreak(async () => create(AppendResponseSchema)), "DUR-002"],
  [
    "repeats an append with a new transaction id when its socket breaks",
    afterBreak((request, send) => {
      request.transactionId = randomUUID();
      return send();
    }),
    "DED-001",
  ],
  [
    "gives a broken socket the code INTERNAL",
    {
      failure: (error) =>
        error.code === Code.Unavailable && error.details.length === 0
          ? new ConnectError(error.rawMessage, Code.Internal)
          : error,
    },
    "ERR-001",
  ],
])(
  "a generated history over WebSockets that break finds a client that %s",
  {
    timeout: 600_000,
  },
  async (_, bends, clause) => {
    expect(await brokenClauses(bends, [clause])).toContain(clause);
  },
);
