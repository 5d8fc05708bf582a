import { createServer as createHttp2Server, type Http2Server, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";

/** A server that does one wrong thing with every call. Shares no code with Streamkit: it speaks sockets and frames. */
export interface MisbehavingServer extends AsyncDisposable {
  readonly url: string;
  /** Number of calls; or of connections, for a server that never gets a call. */
  readonly calls: number;
}

/** The first half of an envelope: it promises 100 bytes of message. */
const HALF_A_MESSAGE = Buffer.from([0, 0, 0, 0, 100, 1, 2, 3]);

type Answer = (stream: ServerHttp2Stream, contentType: string) => void;

/** A unary call of the Connect protocol. Its answer has a length, while other answers mark their end. */
const isSingle = (contentType: string) => /^application\/(proto|json)$/.test(contentType);

const headersOf = (contentType: string) => ({
  ":status": 200,
  "content-type": contentType,
  ...(isSingle(contentType) && { "content-length": 100 }),
});

/** Misbehaviours of a server, or of a proxy in front of it, over HTTP/2. */
export const WRONGS_OVER_HTTP2: Record<string, Answer> = {
  "resets with NO_ERROR before an answer": (stream) => stream.close(0),
  "answers 200, then resets with NO_ERROR": (stream, contentType) => {
    stream.respond(headersOf(contentType));
    setImmediate(() => stream.close(0));
  },
  "resets in mid-message with NO_ERROR": (stream, contentType) => {
    stream.respond(headersOf(contentType));
    stream.write(HALF_A_MESSAGE, () => stream.close(0));
  },
  "ends without trailers": (stream, contentType) => {
    stream.respond(headersOf(contentType));
    stream.end();
  },
  "ends in mid-message": (stream, contentType) => {
    stream.respond(headersOf(contentType));
    stream.end(HALF_A_MESSAGE);
  },
  "answers 200, then nothing": (stream, contentType) => stream.respond(headersOf(contentType)),
  "answers half a message, then nothing": (stream, contentType) => {
    stream.respond(headersOf(contentType));
    stream.write(HALF_A_MESSAGE);
  },
  "never answers": () => {},
};

/** Misbehaviours of a server, or of a proxy in front of it, over HTTP/1.1, after the request has arrived. */
export const WRONGS_OVER_HTTP1: Record<string, (socket: Socket, contentType: string) => void> = {
  "closes before an answer": (socket) => socket.end(),
  "resets before an answer": (socket) => socket.resetAndDestroy(),
  "ends the body without an end of the stream": (socket, contentType) => {
    if (isSingle(contentType)) socket.end(head(contentType));
    else socket.write(`${head(contentType)}0\r\n\r\n`);
  },
  "ends the body in mid-message": (socket, contentType) => {
    if (isSingle(contentType)) socket.write(head(contentType));
    else socket.write(`${head(contentType)}8\r\n`);
    socket.write(HALF_A_MESSAGE);
    if (isSingle(contentType)) socket.end();
    else socket.write("\r\n0\r\n\r\n");
  },
  "closes in the middle of the body": (socket, contentType) => {
    socket.write(`${head(contentType)}${isSingle(contentType) ? "" : "8\r\n"}`);
    socket.end(HALF_A_MESSAGE.subarray(0, 4));
  },
  "answers 200, then nothing": (socket, contentType) => socket.write(head(contentType)),
  "never answers": () => {},
};

function head(contentType: string): string {
  const length = isSingle(contentType) ? "Content-Length: 100" : "Transfer-Encoding: chunked";
  return `HTTP/1.1 200 OK\r\nContent-Type: ${contentType}\r\n${length}\r\n\r\n`;
}

/** A server of HTTP/2 without TLS. */
export async function wrongOverHttp2(answer: Answer): Promise<MisbehavingServer> {
  let calls = 0;
  const sockets = new Set<Socket>();
  const server = createHttp2Server();
  server.on("stream", (stream, headers) => {
    calls += 1;
    stream.on("error", () => {});
    answer(stream, String(headers["content-type"]));
  });
  return listening(server, sockets, () => calls);
}

/** A server of HTTP/1.1 on plain sockets: it waits for the end of the request's head, and no more. */
export async function wrongOverHttp1(
  answer: (socket: Socket, contentType: string) => void,
): Promise<MisbehavingServer> {
  let calls = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    let seen = "";
    socket
      .on("error", () => {})
      .on("data", (chunk: Buffer) => {
        seen += chunk.toString("latin1");
        const end = seen.indexOf("\r\n\r\n");
        if (end < 0 || !seen.startsWith("POST")) return;
        const contentType = /^content-type: (.*)\r$/im.exec(seen)?.[1] ?? "";
        seen = "";
        calls += 1;
        answer(socket, contentType);
      });
  });
  return listening(server, sockets, () => calls);
}

/** A path that accepts connections and carries nothing. */
export async function silentPath(): Promise<MisbehavingServer> {
  const sockets = new Set<Socket>();
  let calls = 0;
  const server = createServer((socket) => {
    calls += 1;
    socket.on("error", () => {}).pause();
  });
  return listening(server, sockets, () => calls);
}

async function listening(
  server: Server | Http2Server,
  sockets: Set<Socket>,
  calls: () => number,
): Promise<MisbehavingServer> {
  server.on("connection", (socket: Socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get calls() {
      return calls();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
