import { create, type Message } from "@bufbuild/protobuf";
import { Code, type ConnectError, createHandlerContext, type Interceptor } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, StreamService } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { invalidField } from "../errors.ts";
import { Events } from "../events.ts";
import { errorParts } from "./connect-error.ts";
import { acceptDirectResponses, respondDirectly } from "./direct-response.ts";
import { withErrors } from "./error-interceptor.ts";
import { type Implement, Registry } from "./implementations.ts";
import { readMessage } from "./reading/read-message.ts";

const { peek, consumeSpace, append } = StreamService.method;
const PEEK = "/streamkit.v1.StreamService/Peek";
const CONSUME = "/streamkit.v1.StreamService/ConsumeSpace";

function register(implement: { peek?: Implement; consume?: Implement }, ...interceptors: Interceptor[]) {
  const events = new Events(() => undefined);
  const registry = new Registry(withErrors(events, interceptors));
  registry.add({ method: peek, implement: implement.peek ?? (() => ({})) });
  registry.add({ method: consumeSpace, implement: implement.consume ?? async function* () {} });
  const context = createHandlerContext({
    service: StreamService,
    method: peek,
    protocolName: "test",
    requestMethod: "POST",
    url: "http://test.invalid/",
  });
  const unary = (message: Message = create(peek.input)) => {
    const form = registry.implementations.get(PEEK)?.binary;
    if (form?.kind !== "unary") return expect.unreachable();
    return form.call(message, context);
  };
  const stream = async (...messages: Message[]) => {
    const form = registry.implementations.get(CONSUME)?.binary;
    if (form?.kind !== "stream") return expect.unreachable();
    const answers: Message[] = [];
    for await (const answer of form.call(each(messages), context)) answers.push(answer);
    return answers;
  };
  return { unary, stream, context, events };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

async function failure(run: () => unknown): Promise<ConnectError> {
  try {
    await run();
  } catch (error) {
    return error as ConnectError;
  }
  return expect.unreachable();
}

const reasonOf = (error: ConnectError) => error.findDetails(ErrorDetailSchema)[0]?.reason;

describe("a registered RPC", () => {
  it("answers with whole messages", async () => {
    const { unary, stream } = register({
      peek: () => ({}),
      consume: async function* () {
        yield { nextOffset: 7n };
      },
    });
    expect(await unary()).toEqual(create(peek.output));
    expect(await stream(create(consumeSpace.input))).toEqual([create(consumeSpace.output, { nextOffset: 7n })]);
  });

  it("runs interceptors around calls and streams, the first one outermost", async () => {
    const seen: string[] = [];
    const note =
      (name: string): Interceptor =>
      (next) =>
      async (request) => {
        seen.push(name);
        const response = await next(request);
        response.header.append("seen", name);
        return response;
      };
    const { unary, stream, context } = register({}, note("1"), note("2"));
    await unary();
    await stream(create(consumeSpace.input));
    expect(seen).toEqual(["1", "2", "1", "2"]);
    expect(context.responseHeader.get("seen")).toBe("2, 1, 2, 1");
  });

  it("gives implementations the changes of interceptors, and uses the headers that they return", async () => {
    const swap: Interceptor = (next) => async (request) => {
      const response = await next({ ...request, header: new Headers({ who: "me" }) } as typeof request);
      return { ...response, header: new Headers({ answered: "yes" }) } as typeof response;
    };
    let who: string | null = null;
    const note: Implement = (_request, { requestHeader }) => {
      who = requestHeader.get("who");
      return {};
    };
    const { unary, context } = register({ peek: note }, swap);
    context.responseHeader.set("earlier", "1");
    await unary();
    expect(who).toBe("me");
    expect([...context.responseHeader]).toEqual([["answered", "yes"]]);
  });

  it("translates, reports and counts failures of calls, streams and interceptors", async () => {
    const refuse = () => {
      throw invalidField("space", "is wrong");
    };
    const { unary, stream, events } = register({ peek: refuse, consume: refuse });
    for (const run of [unary, () => stream(create(consumeSpace.input))]) {
      const error = await failure(run);
      expect(error.code).toBe(Code.InvalidArgument);
      expect(reasonOf(error)).toBe(ErrorReason.INVALID_FIELD);
    }
    expect(events.counts().refusals.get(ErrorReason.INVALID_FIELD)).toBe(2);
    const broken = register({}, () => () => Promise.reject(new Error("secret")));
    expect(await failure(broken.unary)).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
    expect(broken.events.counts().kinds.get("internal-error")).toBe(1);
  });

  it("hands over encoded answers, in order, to a way in that accepts them", async () => {
    const accepted: boolean[] = [];
    let next = 299;
    const implement: Implement = (_request, context) => {
      accepted.push(respondDirectly(context, [], next++, true));
      return {};
    };
    const { unary, context } = register({ peek: implement });
    await unary();
    const take = acceptDirectResponses(context.values);
    await unary();
    await unary();
    expect(accepted).toEqual([false, true, true]);
    expect(take()).toEqual(Buffer.from([0x10, 0xac, 0x02, 0x18, 0x01]));
    expect(take()).toEqual(Buffer.from([0x10, 0xad, 0x02, 0x18, 0x01]));
    expect(take()).toBeUndefined();
  });

  it("accepts exactly one request if the method does", async () => {
    const { stream } = register({});
    const message = create(consumeSpace.input);
    for (const messages of [[], [message, message]]) {
      expect(reasonOf(await failure(() => stream(...messages)))).toBe(ErrorReason.INVALID_FIELD);
    }
  });
});

describe("reading a message", () => {
  const registry = new Registry([]);
  registry.add({ method: append, implement: () => ({}) });
  const implementation = [...registry.implementations.values()][0];

  it.each([
    ["binary", Buffer.from([0x0a, 0x7f])],
    ["binary", Buffer.from([0x0a, 0x01, 0xff])],
    ["json", Buffer.from("{")],
    ["json", Buffer.from('{"space": 1}')],
  ] as const)("refuses %s that is none: INVALID_FIELD", async (format, bytes) => {
    const error = await failure(() => readMessage(implementation, bytes, format));
    expect(error.code).toBe(Code.InvalidArgument);
    expect(reasonOf(error)).toBe(ErrorReason.INVALID_FIELD);
  });

  it("refuses too many elements and too many bytes before it creates objects", async () => {
    const many = Buffer.alloc(2 * 33, Buffer.from([0x1a, 0x00]));
    const counted = await failure(() => readMessage(implementation, many, "binary"));
    expect(reasonOf(counted)).toBe(ErrorReason.TRANSACTION_TOO_LARGE);
    const large = await failure(() => readMessage(implementation, Buffer.alloc(64 * 1024 * 1024), "binary"));
    expect(reasonOf(large)).toBe(ErrorReason.REQUEST_TOO_LARGE);
  });

  it("drops unknown fields, and ignores those of JSON", () => {
    expect(readMessage(implementation, Buffer.from([0xf8, 0x07, 0x01]), "binary").$unknown).toBeUndefined();
    expect(readMessage(implementation, Buffer.from('{"nobody": 1}'), "json")).toEqual(create(append.input));
  });
});

it("takes errors apart: code, message, encoded details", async () => {
  const { unary } = register({
    peek: () => {
      throw invalidField("space", "is wrong");
    },
  });
  const parts = errorParts(await failure(unary));
  expect(parts).toMatchObject({
    code: Code.InvalidArgument,
    message: expect.stringContaining("is wrong"),
    details: [{ type: "streamkit.v1.ErrorDetail" }],
  });
  expect(parts.details[0].value.length).toBeGreaterThan(0);
});
