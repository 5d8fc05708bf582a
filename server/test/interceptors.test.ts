import { Code, ConnectError, createClient, type Interceptor } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason, LeaseService, StoreService, StreamService } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { createStreamkit, memoryStorage, type StreamkitEvent } from "../src/index.ts";

const STORE = "0c9c1f4f-8f56-4d4e-9f8c-6d7a2f0f1b11";

function open(...interceptors: Interceptor[]) {
  const events: StreamkitEvent[] = [];
  const streamkit = createStreamkit({
    storage: memoryStorage(),
    interceptors,
    onEvent: (event) => {
      events.push(event);
    },
  });
  const transport = streamkit.transport();
  const call = {
    serverInfo: () => createClient(StoreService, transport).getServerInfo({}),
    lease: () => createClient(LeaseService, transport).listLeases({ storeId: STORE }),
    peek: () => createClient(StreamService, transport).peek({ storeId: STORE, space: "a", segment: "b" }),
    append: () => createClient(StreamService, transport).append({ storeId: STORE, space: "a" }),
    consume: async () => {
      for await (const _ of createClient(StreamService, transport).consumeSpace({ storeId: STORE, space: "a" })) break;
    },
  };
  return { call, events, [Symbol.asyncDispose]: () => streamkit.close() };
}

async function failure(run: () => Promise<unknown>): Promise<ConnectError> {
  return run().then(
    () => expect.unreachable(),
    (error) => error as ConnectError,
  );
}

const reasonOf = (error: ConnectError) => error.findDetails(ErrorDetailSchema)[0]?.reason;

describe("interceptors", () => {
  it("run around every call of every service, the first one outermost", async () => {
    const seen: string[] = [];
    const note =
      (name: string): Interceptor =>
      (next) =>
      (request) => {
        seen.push(`${name} ${request.method.name}`);
        return next(request);
      };
    await using instance = open(note("1"), note("2"));
    const { serverInfo, lease, peek, consume } = instance.call;
    for (const run of [serverInfo, lease, peek, consume]) await run();
    const methods = ["GetServerInfo", "ListLeases", "Peek", "ConsumeSpace"];
    expect(seen).toEqual(methods.flatMap((method) => [`1 ${method}`, `2 ${method}`]));
  });

  it("see the same errors as clients", async () => {
    let seen: unknown;
    await using instance = open((next) => async (request) => {
      try {
        return await next(request);
      } catch (error) {
        seen = error;
        throw error;
      }
    });
    const error = await failure(instance.call.append);
    expect(reasonOf(error)).toBe(ErrorReason.INVALID_FIELD);
    expect(seen).toBeInstanceOf(ConnectError);
    expect(reasonOf(seen as ConnectError)).toBe(ErrorReason.INVALID_FIELD);
  });

  it.each([
    [Code.PermissionDenied, ErrorReason.PERMISSION_DENIED, false],
    [Code.Unauthenticated, ErrorReason.UNAUTHENTICATED, true],
    [Code.NotFound, ErrorReason.NOT_FOUND, false],
    [Code.FailedPrecondition, ErrorReason.UNSPECIFIED, false],
    [Code.Internal, ErrorReason.INTERNAL, true],
  ])("refuse unary and streaming calls with code %s", async (code, reason, retryable) => {
    await using instance = open(() => async () => {
      throw new ConnectError("not on Sundays", code);
    });
    for (const run of Object.values(instance.call)) {
      const error = await failure(run);
      expect(error).toMatchObject({ code, rawMessage: "not on Sundays" });
      expect(error.findDetails(ErrorDetailSchema)).toMatchObject([{ reason, retryable }]);
    }
  });

  it("that break are defects: reported once, without details for the client", async () => {
    await using instance = open(() => async () => {
      throw new Error("secret");
    });
    const error = await failure(instance.call.peek);
    expect(error).toMatchObject({ code: Code.Internal, rawMessage: "internal error" });
    expect(instance.events.map(({ kind }) => kind)).toEqual(["internal-error"]);
  });
});
