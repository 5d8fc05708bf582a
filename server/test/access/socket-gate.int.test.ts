/** The gate of a WebSocket: credentials of the upgrade, of the socket and of a call. */
import { once } from "node:events";
import { create, type DescMessage, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, GetSegmentStatusResponseSchema, StreamService } from "@streamkit/protocol";
import { Health, HealthCheckRequestSchema } from "@streamkit/protocol/health";
import { afterEach, beforeEach, expect, it } from "vitest";
import { WebSocket } from "ws";
import {
  AccessDenied,
  type Authenticate,
  AuthenticationUnavailable,
  createStreamkit,
  Grants,
  memoryStorage,
  type Principal,
  type Streamkit,
} from "../../src/index.ts";
import { KIND, RawSocket, rawFrame, settingsPayload } from "../socket/raw-socket.ts";
import { requestOf } from "./calls.ts";

const STATUS = "/streamkit.v1.StreamService/GetSegmentStatus";
const APPEND = "/streamkit.v1.StreamService/Append";
const PRODUCE = "/streamkit.v1.StreamService/Produce";
const encoded = (method: { input: DescMessage }) => toBinary(method.input, requestOf(method as never));
const status = encoded(StreamService.method.getSegmentStatus);
const append = encoded(StreamService.method.append);

let authenticate: Authenticate;
let streamkit: Streamkit;
let url: string;
let asked: (string | null)[];
beforeEach(async () => {
  asked = [];
  authenticate = ({ headers }) => {
    const header = headers.get("authorization");
    asked.push(header);
    if (header === null) throw new AccessDenied("TOKEN_MISSING", "there is no token");
    if (header === "Bearer bad") throw new AccessDenied("TOKEN_INVALID", "the token is bad");
    if (header === "Bearer outage") throw new AuthenticationUnavailable("the issuer is away", 1_000);
    return { subject: header, grants: Grants.all };
  };
  const limits = { requestMillis: 3_000, headerMillis: 60_000, requestBytesPerConnection: 65_536 };
  streamkit = createStreamkit({
    storage: memoryStorage(),
    authenticate: (request) => authenticate(request),
    limits,
    onEvent: () => undefined,
  });
  url = (await streamkit.listen({ port: 0 })).url;
});
afterEach(() => streamkit.close());

const bearer = (token: string) => [["authorization", `Bearer ${token}`]] as const;
const settings = (token: string) => rawFrame(KIND.settings, 0, settingsPayload(bearer(token)));
const reasonOf = ({ details }: { details: { value: Buffer }[] }) =>
  ErrorReason[details[0] === undefined ? 0 : fromBinary(ErrorDetailSchema, details[0].value).reason];

it("a call has the credentials of the call, else of the socket, else of the upgrade", async () => {
  using socket = await RawSocket.open(url, { headers: { authorization: "Bearer upgrade" } });
  expect((await socket.call({ path: STATUS, message: status })).code).toBe(0);
  socket.send(settings("socket"));
  expect((await socket.call({ path: STATUS, message: status })).code).toBe(0);
  expect((await socket.call({ path: STATUS, message: status, headers: bearer("call") })).code).toBe(0);
  const refused = await socket.call({ path: STATUS, message: status, headers: bearer("bad") });
  expect([refused.code, reasonOf(refused)]).toEqual([Code.Unauthenticated, "TOKEN_INVALID"]);
  socket.send(settings("changed"));
  expect((await socket.call({ path: STATUS, message: status })).code).toBe(0);
  const tokens = ["upgrade", "upgrade", "socket", "call", "bad", "changed"];
  expect(asked).toEqual(tokens.map((token) => `Bearer ${token}`));
});

it("refuses an upgrade with bad credentials, and one that it cannot check", async () => {
  const refusalOf = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    const socket = new WebSocket(`${url.replace("http", "ws")}/streamkit.v1/socket`, ["streamkit.v1"], { headers });
    const [, response] = await once(socket, "unexpected-response");
    let body = "";
    for await (const chunk of response) body += chunk;
    return { status: response.statusCode, challenge: response.headers["www-authenticate"], body: JSON.parse(body) };
  };
  expect(await refusalOf("bad")).toMatchObject({
    status: 401,
    challenge: 'Bearer error="invalid_token", error_description="the token is bad"',
    body: { code: "unauthenticated", message: "the token is bad" },
  });
  expect(await refusalOf("outage")).toMatchObject({ status: 503, body: { code: "unavailable" } });
});

it("closes a socket without credentials that stays idle, and no other", async () => {
  using known = await RawSocket.open(url, { headers: { authorization: "Bearer alice" } });
  using late = await RawSocket.open(url);
  expect((await late.call({ path: STATUS, message: status, headers: bearer("alice") })).code).toBe(0);
  using watching = await RawSocket.open(url);
  const message = toBinary(HealthCheckRequestSchema, create(HealthCheckRequestSchema));
  const watch = watching.request({ path: `/${Health.typeName}/Watch`, message });
  using idle = await RawSocket.open(url);
  using refused = await RawSocket.open(url);
  expect((await refused.call({ path: STATUS, message: status })).code).toBe(Code.Unauthenticated);
  expect((await idle.closed).code).toBe(4401);
  expect((await refused.closed).code).toBe(4401);
  expect((await known.call({ path: STATUS, message: status })).code).toBe(0);
  expect((await late.call({ path: STATUS, message: status, headers: bearer("alice") })).code).toBe(0);
  expect(watching.messages(watch).length).toBe(1);
  watching.send(rawFrame(KIND.reset, watch));
  expect((await watching.closed).code).toBe(4401);
});

/** Holds back the answers of `authenticate` until the test gives them. */
function heldBack() {
  const waiting: ((principal: Principal | Error) => void)[] = [];
  let wake = () => {};
  authenticate = () =>
    new Promise((resolve, reject) => {
      waiting.push((found) => (found instanceof Error ? reject(found) : resolve(found)));
      wake();
    });
  return {
    async next() {
      while (waiting.length === 0) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return waiting.shift() as (principal: Principal | Error) => void;
    },
  };
}

const ALICE: Principal = { subject: "alice", grants: Grants.all };

it("keeps what arrives while the caller is checked", async () => {
  using socket = await RawSocket.open(url);
  const gate = heldBack();
  const produce = socket.request({ path: PRODUCE });
  for (let sent = 0; sent < 3; sent++) socket.send(rawFrame(KIND.message, produce, append));
  socket.send(rawFrame(KIND.halfClose, produce));
  const unary = socket.request({ path: STATUS });
  socket.send(rawFrame(KIND.message, unary, status));
  const [first, second] = [await gate.next(), await gate.next()];
  expect(socket.frames.filter(({ kind }) => kind === KIND.result)).toEqual([]);
  first(ALICE);
  expect((await socket.result(produce)).code).toBe(0);
  expect(socket.messages(produce).length).toBe(3);
  second(ALICE);
  const found = fromBinary(GetSegmentStatusResponseSchema, (await socket.result(unary)).message as Buffer);
  expect(found.status?.lastSequence).toBe(3n);
});

it("counts what arrives while the caller is checked, and gives it back", async () => {
  using socket = await RawSocket.open(url);
  const gate = heldBack();
  const half = Buffer.alloc(40_000);
  const full = socket.request({ path: PRODUCE });
  for (let sent = 0; sent < 2; sent++) socket.send(rawFrame(KIND.message, full, half));
  expect(reasonOf(await socket.result(full))).toBe("OVERLOADED");
  (await gate.next())(ALICE);
  const next = socket.request({ path: PRODUCE });
  socket.send(rawFrame(KIND.message, next, half));
  socket.send(rawFrame(KIND.reset, next));
  (await gate.next())(ALICE);
  const last = socket.request({ path: PRODUCE });
  socket.send(rawFrame(KIND.message, last, append), rawFrame(KIND.halfClose, last));
  (await gate.next())(ALICE);
  expect((await socket.result(last)).code).toBe(0);
  const large = socket.request({ path: PRODUCE });
  socket.send(rawFrame(KIND.message, large, half));
  (await gate.next())(ALICE);
  expect(reasonOf(await socket.result(large))).toBe("INVALID_FIELD");
});

it("forgets a call that is refused, reset or cut off while its caller is checked", async () => {
  using socket = await RawSocket.open(url);
  const gate = heldBack();
  const refused = socket.request({ path: PRODUCE });
  socket.send(rawFrame(KIND.message, refused, append));
  (await gate.next())(new AccessDenied("TOKEN_INVALID", "the token is bad"));
  expect(reasonOf(await socket.result(refused))).toBe("TOKEN_INVALID");
  const reset = socket.request({ path: APPEND, message: append });
  const answerReset = await gate.next();
  socket.send(rawFrame(KIND.reset, reset));
  const late = socket.request({ path: APPEND, message: append, timeoutMillis: 50 });
  const answerLate = await gate.next();
  expect((await socket.result(late)).code).toBe(Code.DeadlineExceeded);
  answerReset(ALICE);
  answerLate(ALICE);
  const last = socket.request({ path: STATUS, message: status });
  (await gate.next())(ALICE);
  const found = fromBinary(GetSegmentStatusResponseSchema, (await socket.result(last)).message as Buffer);
  expect(found.status?.lastSequence).toBe(0n);
});
