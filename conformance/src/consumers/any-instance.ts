import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { describeTransport } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

/** Codes of failures that another instance may not have. */
const ELSEWHERE: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
]);

/**
 * A transport to several instances that works like a load balancer. Calls go to one instance until a call fails with a
 * code of ELSEWHERE, which includes an exceeded time limit. Then calls go to the next instance. The client repeats
 * failed calls.
 */
export function anyInstance(urls: readonly string[], first: number): Transport {
  const transports = urls.map((baseUrl) => createNodeTransport({ baseUrl }));
  let current = first % urls.length;

  const failed = (index: number, thrown: unknown, signal: AbortSignal | undefined): void => {
    // Several calls may fail at the same time; together they cause one move.
    if (index !== current || signal?.aborted) return;
    if (ELSEWHERE.has(ConnectError.from(thrown, Code.Unavailable).code)) current = (current + 1) % urls.length;
  };

  async function* watched<T>(messages: AsyncIterable<T>, index: number, signal: AbortSignal | undefined) {
    try {
      yield* messages;
    } catch (thrown) {
      failed(index, thrown, signal);
      throw thrown;
    }
  }

  const transport: Transport = {
    async unary(method, signal, ...rest) {
      const index = current;
      try {
        return await transports[index].unary(method, signal, ...rest);
      } catch (thrown) {
        failed(index, thrown, signal);
        throw thrown;
      }
    },
    async stream(method, signal, ...rest) {
      const index = current;
      try {
        const response = await transports[index].stream(method, signal, ...rest);
        return { ...response, message: watched(response.message, index, signal) };
      } catch (thrown) {
        failed(index, thrown, signal);
        throw thrown;
      }
    },
  };
  return describeTransport(transport, { format: "binary", duplex: true });
}
