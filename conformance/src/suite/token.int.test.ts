import { create } from "@bufbuild/protobuf";
import { CellSchema, Verdict } from "@streamkit/protocol/conformance";
import { AccessDenied, createStreamkit, Grants, memoryStorage, tokenAuthentication } from "@streamkit/server";
import { expect, it } from "vitest";
import { loadCases } from "./corpus/load.ts";
import { selectCases } from "./corpus/select.ts";
import { runSuite } from "./run/suite.ts";

const TOKEN = "c3VpdGU.token";
/** A call, streams of both sides, plain HTTP, and frames of a WebSocket. */
const IDS = ["APPEND-FIRST", "FOLLOW-LIVE-SEGMENT", "PRODUCE-RESULTS", "WIRE-JSON-CALL", "SOCKET-OPENS"];
const cases = selectCases(loadCases(), { ids: IDS, clauses: [] });

/** Runs the cases against a server that asks for the token. */
async function run(transport: string, token: string | undefined) {
  await using streamkit = createStreamkit({
    storage: memoryStorage(),
    onEvent: () => {},
    authenticate({ headers }) {
      const header = headers.get("authorization");
      if (header === null) throw new AccessDenied("TOKEN_MISSING", "there is no token");
      if (header !== `Bearer ${TOKEN}`) throw new AccessDenied("TOKEN_INVALID", "the token is wrong");
      return { subject: "suite", grants: Grants.all };
    },
  });
  const { url } = await streamkit.listen({ port: 0 });
  const cell = create(CellSchema, { backend: "remote", transport, wrapper: "plain", client: "raw" });
  return await runSuite({ cells: [cell], cases, anyStore: true, serverUrls: [url], ...(token && { token }) });
}

it.each(["connect-h1", "connect-h2", "grpc", "grpc-web", "json", "websocket"])(
  "sends the token with every call of a client, over %s",
  { timeout: 120_000 },
  async (transport) => {
    const { conforms, results } = await run(transport, TOKEN);
    expect(
      results.filter(({ verdict }) => verdict === Verdict.FAIL).map(({ caseId, reason }) => [caseId, reason]),
    ).toEqual([]);
    expect(conforms).toBe(true);
    expect(results.filter(({ verdict }) => verdict === Verdict.PASS).length).toBeGreaterThanOrEqual(3);
    expect(JSON.stringify(results, (_, value) => (typeof value === "bigint" ? String(value) : value))).not.toContain(
      TOKEN,
    );
  },
);

it.each([undefined, "wrong"])("fails every case with the token %s", { timeout: 120_000 }, async (token) => {
  const { conforms, results } = await run("websocket", token);
  expect(conforms).toBe(false);
  expect(results.filter(({ verdict }) => verdict === Verdict.PASS)).toEqual([]);
});

it("makes tokens with the secret of a running server", { timeout: 120_000 }, async () => {
  const secret = "a secret of at least thirty-two bytes";
  const authenticate = tokenAuthentication({ secret, onEvent: () => {} });
  await using streamkit = createStreamkit({ storage: memoryStorage(), onEvent: () => {}, authenticate });
  const { url } = await streamkit.listen({ port: 0 });
  const cells = [create(CellSchema, { backend: "remote", transport: "grpc", wrapper: "auth", client: "raw" })];
  const access = selectCases(loadCases(), { ids: ["ACCESS-NEEDS-VERB", "ACCESS-NO-CREDENTIALS"], clauses: [] });
  const subjects = { cells, cases: access, anyStore: true, serverUrls: [url] };
  const { conforms, results } = await runSuite({ ...subjects, authSecret: secret });
  expect(results.map(({ verdict }) => verdict)).toEqual(access.map(() => Verdict.PASS));
  expect(conforms).toBe(true);
  await expect(runSuite(subjects)).rejects.toThrow("CONFORMANCE_AUTH_SECRET");
});
