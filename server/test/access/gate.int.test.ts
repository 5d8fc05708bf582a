/** The gate in front of a call: before the request is read, within a time, around interceptors. */
import {
  Code,
  ConnectError,
  createClient,
  createConnectRouter,
  createContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  AccessDenied,
  type Authenticate,
  createStreamkit,
  Grants,
  memoryStorage,
  type Principal,
  principalKey,
  type Streamkit,
} from "../../src/index.ts";
import { exchange } from "../doors/raw.ts";
import { requestOf, SEGMENT, SPACE, STORE } from "./calls.ts";

const PRINCIPAL: Principal = { subject: "alice", grants: Grants.all };
const APPEND = "/streamkit.v1.StreamService/Append";
const headers = { authorization: "Bearer alice" };

let authenticate: Authenticate;
let streamkit: Streamkit;
let url: string;
let seen: (string | undefined)[];
const spy: Interceptor = (next) => (request) => {
  seen.push(request.contextValues.get(principalKey)?.subject);
  return next(request);
};
beforeEach(async () => {
  seen = [];
  authenticate = (request) => {
    if (request.headers.get("authorization") === null) throw new AccessDenied("TOKEN_MISSING", "there is no token");
    return PRINCIPAL;
  };
  streamkit = createStreamkit({
    storage: memoryStorage(),
    authenticate: (request) => authenticate(request),
    interceptors: [spy],
    limits: { streams: 1, headerMillis: 300 },
    onEvent: () => undefined,
  });
  url = (await streamkit.listen({ port: 0 })).url;
});
afterEach(() => streamkit.close());

const reasonOf = (error: unknown) => {
  const [detail] = ConnectError.from(error).findDetails(ErrorDetailSchema);
  return detail && ErrorReason[detail.reason];
};

/** Sends the headers of a request with a body that never comes, and resolves to the answer. */
function answerTo(type: string, extra: string): Promise<string> {
  const head = `POST ${APPEND} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: ${type}\r\ncontent-length: 1000000\r\n`;
  return exchange(url, `${head}${extra}\r\n`, /\}/);
}

it.each(["application/proto", "application/json"])("refuses %s before the body arrives", async (type) => {
  const missing = await answerTo(type, "");
  expect(missing).toMatch(/^HTTP\/1\.1 401 /);
  expect(missing.toLowerCase()).toContain("\r\nwww-authenticate: bearer\r\n");
  authenticate = () => ({ subject: "bob", grants: Grants.parse({ scope: "streamkit::*:read" }) });
  const denied = await answerTo(type, "authorization: Bearer bob\r\n");
  expect(denied).toMatch(/^HTTP\/1\.1 403 /);
  expect(denied.toLowerCase()).toContain('www-authenticate: bearer error="insufficient_scope"');
  expect(seen).toEqual([]);
});

it("answers GET with 401, and tells pages about the challenge", async () => {
  const message = encodeURIComponent(JSON.stringify({ storeId: STORE, space: SPACE, segment: SEGMENT }));
  const path = `/streamkit.v1.StreamService/ReadSegment?encoding=json&message=${message}`;
  const response = await fetch(`${url}${path}`);
  expect([response.status, response.headers.get("www-authenticate")]).toEqual([401, "Bearer"]);
  expect((await fetch(`${url}${path}`, { headers })).status).toBe(200);
});

it("answers a protocol that it does not speak as before", async () => {
  const text = await exchange(
    url,
    `POST ${APPEND} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: text/x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`,
  );
  expect(text).toMatch(/^HTTP\/1\.1 415 /);
  expect(seen).toEqual([]);
});

it("gives interceptors the principal, and no refused call", async () => {
  const client = createClient(StreamService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
  const append = requestOf(StreamService.method.append) as never;
  await expect(client.append(append)).rejects.toMatchObject({ code: Code.Unauthenticated });
  expect(seen).toEqual([]);
  await client.append(append, { headers });
  expect(seen).toEqual(["alice"]);
});

it("refuses a call that has lost its principal in an interceptor", async () => {
  const forget: Interceptor = (next) => (request) =>
    next({ ...request, contextValues: createContextValues() } as typeof request);
  const events: string[] = [];
  await using careless = createStreamkit({
    storage: memoryStorage(),
    authenticate: () => PRINCIPAL,
    interceptors: [forget],
    onEvent: ({ message }) => events.push(message),
  });
  const client = createClient(StreamService, careless.transport({ authenticate: true }));
  const append = requestOf(StreamService.method.append) as never;
  await expect(client.append(append)).rejects.toMatchObject({ code: Code.Internal });
  const read = client.consumeSegment({ storeId: STORE, space: SPACE, segment: SEGMENT })[Symbol.asyncIterator]();
  await expect(read.next()).rejects.toMatchObject({ code: Code.Internal });
  expect(events.length).toBeGreaterThan(0);
});

it("trusts calls in the same process unless they ask for authentication", async () => {
  const append = requestOf(StreamService.method.append) as never;
  await createClient(StreamService, streamkit.transport()).append(append);
  expect(seen).toEqual([undefined]);
  const gated = createClient(StreamService, streamkit.transport({ authenticate: true }));
  expect(reasonOf(await gated.append(append).catch((error) => error))).toBe("TOKEN_MISSING");
});

it("leaves a gate of the application's own router in force", async () => {
  const requestGate = () => {
    throw new ConnectError("the application is closed", Code.FailedPrecondition);
  };
  const router = createConnectRouter({ requestGate });
  streamkit.routes(router);
  const handler = router.handlers.find(({ requestPath }) => requestPath === APPEND);
  const call = async (extra: Record<string, string>) => {
    const answer = await handler?.({
      httpVersion: "1.1",
      method: "POST",
      url: `http://x.invalid${APPEND}`,
      header: new Headers({ "content-type": "application/json", ...extra }),
      body: (async function* () {
        yield Buffer.from("{}");
      })(),
      signal: new AbortController().signal,
    });
    return answer?.status;
  };
  expect(await call({})).toBe(401);
  expect(await call(headers)).toBe(400);
});

describe("an authenticate that never answers", () => {
  const hanging: Authenticate = ({ headers }) =>
    headers.get("authorization") === "Bearer slow" ? new Promise(() => undefined) : PRINCIPAL;
  const TRANSPORTS = [
    ["direct", () => createConnectTransport({ baseUrl: url, httpVersion: "1.1" })],
    ["JSON", () => createConnectTransport({ baseUrl: url, httpVersion: "1.1", useBinaryFormat: false })],
    ["gRPC", () => createGrpcTransport({ baseUrl: url })],
    ["in process", () => streamkit.transport({ authenticate: true })],
  ] as const;

  it.each(TRANSPORTS)("ends the call after a time, and holds no budget: %s", async (_, make) => {
    authenticate = hanging;
    const client = createClient(StreamService, make());
    const slow = { headers: { authorization: "Bearer slow" } };
    const read = async (options: { headers: Record<string, string> }) => {
      const found = [];
      const request = { storeId: STORE, space: SPACE, segment: SEGMENT };
      for await (const message of client.consumeSegment(request, options)) found.push(message);
      return found;
    };
    const append = requestOf(StreamService.method.append) as never;
    const late = [read(slow), read(slow), client.append(append, slow)].map((call) => call.catch(reasonOf));
    // The server allows one stream: those that wait for authentication do not count.
    await read({ headers });
    expect(await Promise.all(late)).toEqual(Array(3).fill("AUTHENTICATION_UNAVAILABLE"));
  });

  it("does not keep a call whose client has left", async () => {
    let asked = () => {};
    const arrived = new Promise<void>((resolve) => {
      asked = resolve;
    });
    let answer = (_: Principal) => {};
    authenticate = () => {
      asked();
      return new Promise((resolve) => {
        answer = resolve;
      });
    };
    const client = createClient(StreamService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    const leave = new AbortController();
    const call = client.append(requestOf(StreamService.method.append) as never, { headers, signal: leave.signal });
    await arrived;
    leave.abort();
    await expect(call).rejects.toMatchObject({ code: Code.Canceled });
    answer(PRINCIPAL);
    authenticate = () => PRINCIPAL;
    const trusted = createClient(StreamService, streamkit.transport());
    const { status } = await trusted.getSegmentStatus({ storeId: STORE, space: SPACE, segment: SEGMENT });
    expect(status?.lastSequence).toBe(0n);
  });
});
