import { Code, ConnectError, type Transport } from "@connectrpc/connect";

/**
 * Streams by gRPC, because its framing is the fastest, and by Connect after the server has refused gRPC. Servers whose
 * answers go through the Fetch API cannot serve gRPC, because they have no trailers.
 */
export function streamByGrpcOrConnect(grpc: Transport, connect: Transport): Transport["stream"] {
  let refused = false;
  return async (method, signal, timeoutMillis, header, input, contextValues) => {
    if (refused) return await connect.stream(method, signal, timeoutMillis, header, input, contextValues);
    if (method.methodKind !== "server_streaming") {
      try {
        return await grpc.stream(method, signal, timeoutMillis, header, input, contextValues);
      } catch (thrown) {
        if (!isRefusal(thrown)) throw thrown;
        refused = true;
        // The attempt has consumed requests of the input, so the caller has to start again.
        throw new ConnectError("the server refuses gRPC; the next attempt uses Connect", Code.Unavailable);
      }
    }
    const request: (typeof input extends AsyncIterable<infer T> ? T : never)[] = [];
    for await (const message of input) request.push(message);
    const attempt = (transport: Transport) =>
      transport.stream(method, signal, timeoutMillis, header, each(request), contextValues);
    try {
      return await attempt(grpc);
    } catch (thrown) {
      if (!isRefusal(thrown)) throw thrown;
      refused = true;
      return await attempt(connect);
    }
  };
}

async function* each<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}

/** True for the answer of a server without gRPC. The specification of gRPC asks for this status. */
function isRefusal(thrown: unknown): boolean {
  return thrown instanceof ConnectError && thrown.rawMessage === "HTTP 415";
}
