import { createServer, request as forward, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import type { Frame } from "@streamkit/protocol/transport";
import { encodeFrame, readFrames } from "@streamkit/protocol/transport";
import { WebSocket, WebSocketServer } from "ws";

/** The two ends of one socket through the proxy. */
export interface Ends {
  toServer(...frames: Uint8Array[]): void;
  toClient(...frames: Uint8Array[]): void;
  /** Closes the client's end. */
  close(code: number): void;
}

/** The hooks of one socket. A hook returns the frames that go on, or undefined for the frame itself. */
export interface FrameBends {
  fromClient?(frame: Frame): Uint8Array[] | undefined;
  fromServer?(frame: Frame): Uint8Array[] | undefined;
  /** True if the client does not learn that the server's end has closed. */
  readonly hidesClose?: boolean;
}

/** A WebSocket proxy in front of a server. It makes another server, or another client, out of it. */
export interface FrameProxy {
  readonly url: string;
  /** Breaks all connections to the server, as its death would. */
  cut(): void;
  close(): Promise<void>;
}

export interface FrameProxyOptions {
  /** Returns the URL of the server. */
  readonly target: () => string;
  readonly bends: (ends: Ends) => FrameBends;
  /** Changes the headers of an upgrade. */
  readonly upgrade?: (headers: IncomingMessage["headers"]) => void;
}

/** Starts a proxy. Frames that no hook changes pass in the WebSocket messages in which they came. */
export async function startFrameProxy({ target, bends, upgrade }: FrameProxyOptions): Promise<FrameProxy> {
  const upstreams = new Set<WebSocket>();
  const sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: () => "streamkit.v1",
  });
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    const onward = forward(`${target()}${url}`, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    request.pipe(onward.once("error", () => response.destroy()));
  });
  server.on("upgrade", (request, connection, head) => {
    connection.on("error", () => undefined);
    const headers = { ...request.headers };
    upgrade?.(headers);
    const offered = headers["sec-websocket-protocol"]?.split(",").map((name) => name.trim()) ?? [];
    const { origin } = headers;
    const upstream = new WebSocket(`${target().replace("http", "ws")}${request.url}`, offered, {
      perMessageDeflate: false,
      ...(origin === undefined ? {} : { origin }),
    });
    upstreams.add(upstream);
    upstream.on("close", () => upstreams.delete(upstream));
    upstream.on("error", () => connection.destroy());
    upstream.once("unexpected-response", (_, answer) => {
      const type = answer.headers["content-type"] ?? "";
      connection.write(`HTTP/1.1 ${answer.statusCode} Refused\r\ncontent-type: ${type}\r\nconnection: close\r\n\r\n`);
      answer.pipe(connection);
    });
    upstream.once("open", () => {
      sockets.handleUpgrade(request, connection, head, (client) => join(client, upstream, bends));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut() {
      for (const upstream of upstreams) upstream.terminate();
    },
    close: async () => {
      for (const client of sockets.clients) client.terminate();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function join(client: WebSocket, upstream: WebSocket, bends: FrameProxyOptions["bends"]): void {
  const sendTo =
    (socket: WebSocket) =>
    (...frames: Uint8Array[]): void => {
      if (socket.readyState === WebSocket.OPEN) for (const frame of frames) socket.send(frame);
    };
  const ends = { toServer: sendTo(upstream), toClient: sendTo(client), close: (code: number) => client.close(code) };
  const { fromClient, fromServer, hidesClose = false } = bends(ends);
  pass(client, upstream, fromClient);
  pass(upstream, client, fromServer, hidesClose);
}

function pass(from: WebSocket, to: WebSocket, bend: FrameBends["fromClient"], hidesClose = false): void {
  from.on("message", (data: Buffer, isBinary) => {
    const passed = isBinary && bend !== undefined ? bent(data, bend) : data;
    // A hook may take all frames of a message. A message without frames passes: the server has to refuse it.
    const isTaken = passed.length === 0 && data.length > 0;
    if (to.readyState === WebSocket.OPEN && !isTaken) to.send(passed, { binary: isBinary });
  });
  from.on("error", () => undefined);
  from.on("close", (code) => {
    if (hidesClose) return;
    if (code >= 1000 && code !== 1005 && code !== 1006) to.close(code);
    else to.terminate();
  });
}

/** Bytes that are no frames pass unchanged: the server has to refuse them. */
function bent(data: Buffer, bend: NonNullable<FrameBends["fromClient"]>): Uint8Array {
  let frames: Frame[];
  try {
    frames = [...readFrames(data)];
  } catch {
    return data;
  }
  const changed = frames.flatMap((frame) => bend(frame) ?? [encodeFrame(frame.kind, frame.call, frame.payload)]);
  return Buffer.concat(changed);
}
