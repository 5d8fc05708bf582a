import { createServer, type ServerHttp2Stream } from "node:http2";
import type { AddressInfo } from "node:net";
import { create, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { GetServerInfoResponseSchema, StoreService } from "@streamkit/protocol";
import { afterAll, beforeAll, expect, it } from "vitest";
import { directUnary } from "../src/node/direct-unary.ts";
import { WideSessionManager } from "../src/node/session-manager.ts";

const METHOD = StoreService.method.getServerInfo;
const MESSAGE = toBinary(GetServerInfoResponseSchema, create(GetServerInfoResponseSchema, { version: "1.2.3" }));
const PROTO = { ":status": 200, "content-type": "application/proto" };
const READ_MAX_BYTES = 100_000;

type Answer = (stream: ServerHttp2Stream) => void;
const detail = { type: "google.protobuf.Empty", value: "" };
const json =
  (status: number, body: string, more: object = {}) =>
  (stream: ServerHttp2Stream) => {
    stream.respond({ ":status": status, "content-type": "application/json", ...more });
    stream.end(body);
  };
const error = JSON.stringify({ code: "aborted", message: "no", details: [detail] });
const reset = (code: number, begun: boolean) => (stream: ServerHttp2Stream) => {
  if (begun) {
    stream.respond(PROTO);
    stream.write(MESSAGE);
  }
  stream.close(code);
};

const ANSWERS: Readonly<Record<string, Answer>> = {
  "a message": (stream) => {
    stream.respond({ ...PROTO, "x-a": "1", "trailer-x-b": "2", "set-cookie": ["c=1", "d=2"] });
    stream.end(MESSAGE);
  },
  "a message of a known length": (stream) => {
    stream.respond({ ...PROTO, "content-length": MESSAGE.length });
    stream.end(MESSAGE);
  },
  "a message in two parts": (stream) => {
    stream.respond(PROTO);
    stream.write(MESSAGE.subarray(0, 2), () => stream.end(MESSAGE.subarray(2)));
  },
  "an empty body": (stream) => {
    stream.respond(PROTO);
    stream.end();
  },
  "a type with a parameter": (stream) => {
    stream.respond({ ...PROTO, "content-type": "application/proto; charset=utf-8" });
    stream.end(MESSAGE);
  },
  "no encoding, by its name": (stream) => {
    stream.respond({ ...PROTO, "content-encoding": "identity" });
    stream.end(MESSAGE);
  },
  "an unknown encoding": (stream) => {
    stream.respond({ ...PROTO, "content-encoding": "br" });
    stream.end(MESSAGE);
  },
  "bytes that are no message": (stream) => {
    stream.respond(PROTO);
    stream.end(Buffer.from([0xff, 0xff]));
  },
  "too many bytes": (stream) => {
    stream.respond(PROTO);
    stream.end(Buffer.alloc(READ_MAX_BYTES + 1));
  },
  "too many bytes, as it says": (stream) => {
    stream.respond({ ...PROTO, "content-length": READ_MAX_BYTES + 1 });
    stream.end(Buffer.alloc(READ_MAX_BYTES + 1));
  },
  "an error": json(409, error, { "x-a": "1", "trailer-x-b": "2" }),
  "an error with status 200": json(200, error),
  "an error that is cut off": json(503, error.slice(0, 20)),
  "an error that is none": json(400, "[]"),
  "an error with a detail that is none": json(400, JSON.stringify({ code: "aborted", message: "no", details: [1] })),
  "an error that is too large": json(503, JSON.stringify({ code: "aborted", message: "x".repeat(READ_MAX_BYTES) })),
  "a page": (stream) => {
    stream.respond({ ":status": 200, "content-type": "text/html" });
    stream.end("<html>");
  },
  "no type": (stream) => {
    stream.respond({ ":status": 200 });
    stream.end(MESSAGE);
  },
  "a message with status 404": (stream) => {
    stream.respond({ ...PROTO, ":status": 404 });
    stream.end(MESSAGE);
  },
  "a redirect": (stream) => {
    stream.respond({ ":status": 302, location: "https://elsewhere.example/" });
    stream.end();
  },
  "the end of the connection": (stream) => stream.session?.destroy(),
  "the end of the connection, in the middle": (stream) => {
    stream.respond(PROTO);
    stream.write(MESSAGE, () => stream.session?.destroy());
  },
  ...Object.fromEntries(
    [1, 2, 7, 8, 11, 12, 13].flatMap((code) => [
      [`a reset with code ${code}`, reset(code, false)],
      [`a reset with code ${code}, in the middle`, reset(code, true)],
    ]),
  ),
};

const requests: object[] = [];
/** Called with each request for a path without an answer. */
const silence: ((stream: ServerHttp2Stream) => void)[] = [];
const onSilence = (reached: (stream: ServerHttp2Stream) => void) => silence.push(reached);
const server = createServer();
server.on("stream", (stream, { ":authority": _, ...headers }) => {
  stream.on("error", () => {});
  const chunks: Buffer[] = [];
  stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  stream.on("end", () => {
    requests.push({ headers: { ...headers }, body: Buffer.concat(chunks).toString("hex") });
    const answer = Object.values(ANSWERS)[Number(/^\/prefix\/(\d+)\//.exec(String(headers[":path"]))?.[1])];
    if (answer === undefined) silence.shift()?.(stream);
    else answer(stream);
  });
});
let baseUrl: string;
const managers: WideSessionManager[] = [];

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/prefix`;
});
afterAll(() => {
  for (const manager of managers) manager.abort();
  server.close();
});

function ways(interceptors: Interceptor[] = [], url = baseUrl): Record<"direct" | "connect", Transport["unary"]> {
  const manager = () => {
    const nodeOptions = undefined;
    const made = new WideSessionManager({
      baseUrl: url,
      pingIntervalMillis: 10_000,
      pingTimeoutMillis: 5_000,
      nodeOptions,
    });
    managers.push(made);
    return made;
  };
  const common = { baseUrl: url, interceptors, readMaxBytes: READ_MAX_BYTES };
  const options = { ...common, httpVersion: "2" as const, useBinaryFormat: true, acceptCompression: [] };
  return {
    direct: directUnary({ ...common, sessionManager: manager() }),
    connect: createConnectTransport({ ...options, sessionManager: manager() }).unary,
  };
}

/** Everything that a caller can observe of a call. */
async function seen(call: ReturnType<Transport["unary"]>): Promise<object> {
  const entries = (headers: Headers) => [...headers].filter(([name]) => name !== "date");
  try {
    const { header, trailer, message, stream, method } = await call;
    return { header: entries(header), trailer: entries(trailer), message, stream, method: method.name };
  } catch (thrown) {
    if (!(thrown instanceof ConnectError)) return { thrown };
    const { code, rawMessage, metadata, details, cause } = thrown;
    const { code: ofCause, message } = (cause ?? {}) as { code?: unknown; message?: unknown };
    return { code, rawMessage, metadata: entries(metadata), details, cause: { code: ofCause, message } };
  }
}

const NAMES = Object.keys(ANSWERS);
const touching: Interceptor = (next) => async (request) => {
  request.header.set("x-touched", request.signal.aborted ? "late" : "in time");
  const response = await next(request);
  response.header.set("x-seen", response.header.get("content-type") ?? "");
  return response;
};

it.each(NAMES)("reads %s as Connect does, and asks as it does", async (answer) => {
  for (const [interceptors, header] of [
    [[], undefined],
    [[], { "x-more": "1", "user-agent": "mine" }],
    [[touching], undefined],
  ] as const) {
    const { direct, connect } = ways([...interceptors], `${baseUrl}/${NAMES.indexOf(answer)}`);
    requests.length = 0;
    const a = await seen(direct(METHOD, undefined, 60_000, header, {}));
    const b = await seen(connect(METHOD, undefined, 60_000, header, {}));
    expect(a).toEqual(b);
    expect(requests).toHaveLength(2);
    expect(requests[0]).toEqual(requests[1]);
  }
});

it("sends the headers of each call, also if they are one object that changes", async () => {
  const { direct } = ways([], `${baseUrl}/${NAMES.indexOf("a message")}`);
  const sent = async (header: HeadersInit) => {
    requests.length = 0;
    await direct(METHOD, undefined, undefined, header, {});
    return (requests[0] as { headers: Record<string, string> }).headers;
  };
  const changing = Object.freeze(new Headers({ "x-turn": "1" }));
  expect(await sent(changing)).toMatchObject({ "x-turn": "1" });
  changing.set("x-turn", "2");
  expect(await sent(changing)).toMatchObject({ "x-turn": "2" });
  const steady = Object.freeze({ authorization: "Bearer a" });
  for (let turn = 0; turn < 3; turn++) expect(await sent(steady)).toMatchObject({ authorization: "Bearer a" });
  expect(await sent({})).not.toHaveProperty("authorization");
});

/** Calls that the server leaves without an answer until their end; resolves with the codes of their resets, too. */
async function unanswered(interceptors: Interceptor[], end: (call: Calling) => Promise<object>): Promise<object> {
  const { direct, connect } = ways(interceptors, `${baseUrl}/silence`);
  const found: object[] = [];
  for (const way of [direct, connect]) {
    const reached = new Promise<ServerHttp2Stream>((resolve) => onSilence(resolve));
    const answer = await end({ way, reached });
    found.push({ answer, reset: await resetOf(await reached) });
  }
  expect(found[0]).toEqual(found[1]);
  return found[0] as object;
}

interface Calling {
  readonly way: Transport["unary"];
  readonly reached: Promise<unknown>;
}

async function resetOf(stream: ServerHttp2Stream): Promise<number | undefined> {
  if (!stream.closed) await new Promise((resolve) => stream.once("close", resolve));
  return stream.rstCode;
}

it.each([
  ["by itself", [[], [touching]], () => {}, { code: Code.Canceled, rawMessage: "This operation was aborted" }, 8],
  ["for a reason", [[], [touching]], () => new ConnectError("enough", Code.Aborted), { code: Code.Aborted }, 2],
])("an end of a call by its signal, %s, is that of Connect", async (_, sets, reason, expected, code) => {
  for (const interceptors of sets) {
    const found = await unanswered(interceptors, async ({ way, reached }) => {
      const controller = new AbortController();
      const call = seen(way(METHOD, controller.signal, undefined, undefined, {}));
      await reached;
      controller.abort(reason());
      return await call;
    });
    expect(found).toMatchObject({ answer: expected, reset: code });
  }
});

it("an end of a call by its timeout is that of Connect", async () => {
  for (const interceptors of [[], [touching]]) {
    const found = await unanswered(interceptors, ({ way }) => seen(way(METHOD, undefined, 200, undefined, {})));
    expect(found).toMatchObject({ answer: { code: Code.DeadlineExceeded }, reset: 2 });
  }
});

it("a signal that has ended before the call sends nothing", async () => {
  const { direct, connect } = ways([], `${baseUrl}/0`);
  requests.length = 0;
  const over = AbortSignal.abort();
  const a = await seen(direct(METHOD, over, undefined, undefined, {}));
  expect(requests).toEqual([]);
  expect(a).toEqual(await seen(connect(METHOD, over, undefined, undefined, {})));
});

it.each([
  ["that nobody listens on", "http://127.0.0.1:1"],
  ["that nobody knows", "http://nobody.invalid"],
])("an address %s fails as with Connect", async (_, url) => {
  const { direct, connect } = ways([], url);
  const a = await seen(direct(METHOD, undefined, 60_000, undefined, {}));
  expect(a).toEqual(await seen(connect(METHOD, undefined, 60_000, undefined, {})));
});

it("a header that HTTP does not allow, and what an interceptor throws, fail as with Connect", async () => {
  const bad: Interceptor = (next) => (request) => {
    request.header.set("connection", "upgrade");
    return next(request);
  };
  const refusing: Interceptor = () => () => Promise.reject(new Error("not today"));
  for (const interceptor of [bad, refusing]) {
    const { direct, connect } = ways([interceptor], `${baseUrl}/0`);
    const a = await seen(direct(METHOD, undefined, 60_000, undefined, {}));
    expect(a).toEqual(await seen(connect(METHOD, undefined, 60_000, undefined, {})));
  }
});
