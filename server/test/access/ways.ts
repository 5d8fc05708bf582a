import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { DescMethod, Message } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { connectNodeAdapter, createConnectTransport } from "@connectrpc/connect-node";
import type { Streamkit } from "../../src/index.ts";
import { fetchTransport } from "../fetch-transport.ts";
import { KIND, RawSocket, rawFrame, settingsPayload } from "../socket/raw-socket.ts";
import { WIRE_TRANSPORTS } from "../transports.ts";
import { type Outcome, outcomeOf, socketOutcome } from "./calls.ts";

/** A way to call a server. */
export interface Way {
  readonly name: string;
  /** True if requests can stream. */
  readonly bidi: boolean;
  /** @param authorization value of the header; undefined for none */
  call(method: DescMethod, authorization: string | undefined, request?: Message): Promise<Outcome>;
}

/** Opens every way into one instance. The instance ends those that `closed` does not. */
export async function openWays(streamkit: Streamkit): Promise<{ readonly ways: readonly Way[]; close(): void }> {
  const { url } = await streamkit.listen({ port: 0 });
  const handler = createServer(streamkit.handler());
  const router = createServer(connectNodeAdapter({ routes: streamkit.routes }));
  const perCall = await RawSocket.open(url);
  const settings = await RawSocket.open(url);
  const http1 = async (server: Server) => createConnectTransport({ baseUrl: await serve(server), httpVersion: "1.1" });
  const ways: Way[] = [
    ...WIRE_TRANSPORTS.map(({ name, bidi, make }) => over(name, bidi, make(url))),
    over("handler()", false, await http1(handler)),
    over("routes()", false, await http1(router)),
    over("fetch()", false, fetchTransport(streamkit.fetch, { baseUrl: "https://streams.example" })),
    over("in-process", true, streamkit.transport({ authenticate: true })),
    {
      name: "WebSocket, headers of the call",
      bidi: true,
      call: (method, authorization, request) => socketOutcome(perCall, method, headersOf(authorization), request),
    },
    {
      name: "WebSocket, headers of the socket",
      bidi: true,
      call(method, authorization, request) {
        settings.send(rawFrame(KIND.settings, 0, settingsPayload(headersOf(authorization))));
        return socketOutcome(settings, method, [], request);
      },
    },
  ];
  const close = () => {
    perCall[Symbol.dispose]();
    settings[Symbol.dispose]();
    for (const server of [handler, router]) {
      server.close();
      server.closeAllConnections();
    }
  };
  return { ways, close };
}

function over(name: string, bidi: boolean, transport: Transport): Way {
  const call: Way["call"] = (method, authorization, request) =>
    outcomeOf(transport, method, authorization === undefined ? {} : { authorization }, request);
  return { name, bidi, call };
}

function headersOf(authorization: string | undefined): readonly (readonly [string, string])[] {
  return authorization === undefined ? [] : [["authorization", authorization]];
}

async function serve(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
