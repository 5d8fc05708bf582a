import { createServer as createHttp1Server, type RequestListener, request as requestHttp1 } from "node:http";
import { connect as connectHttp2, constants, createServer as createHttp2Server, type Http2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { expect, it, onTestFinished } from "vitest";
import { respond } from "./respond.ts";

const CLIENTS: Record<string, (port: number) => { onAnswer(listener: () => void): void; leave(): void }> = {
  "HTTP/1.1": (port) => {
    const request = requestHttp1({ port, host: "127.0.0.1", method: "POST" });
    request.on("error", () => undefined).end();
    return { onAnswer: (listener) => request.once("response", listener), leave: () => request.destroy() };
  },
  "HTTP/2": (port) => {
    const session = connectHttp2(`http://127.0.0.1:${port}`);
    onTestFinished(() => session.destroy());
    const stream = session.request({ ":method": "POST" });
    stream.on("error", () => undefined).end();
    return {
      onAnswer: (listener) => stream.once("response", listener),
      leave: () => stream.close(constants.NGHTTP2_CANCEL),
    };
  },
};

it.each(Object.keys(CLIENTS))(
  "ends a response whose client left before the next part, and ends its body: %s",
  async (version) => {
    const isEnded = Promise.withResolvers<void>();
    const outcome = Promise.withResolvers<unknown>();
    const answer: RequestListener = (request, response) => {
      const gone = new Promise((resolve) => response.once("close", resolve));
      async function* body() {
        try {
          yield Buffer.alloc(100);
          await gone;
          await new Promise((resolve) => setImmediate(resolve));
          yield Buffer.alloc(100);
          yield Buffer.alloc(100);
        } finally {
          isEnded.resolve();
        }
      }
      respond({ status: 200, body: body() }, request, response).then(outcome.resolve, outcome.resolve);
    };
    const server: Server | Http2Server =
      version === "HTTP/1.1" ? createHttp1Server(answer) : createHttp2Server(answer as never);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const client = CLIENTS[version]((server.address() as AddressInfo).port);
    client.onAnswer(() => client.leave());
    await isEnded.promise;
    expect(await outcome.promise).toMatchObject({ message: expect.stringContaining("the client went away") });
  },
);
