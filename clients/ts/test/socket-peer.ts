import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  encodeFrame,
  type Frame,
  FrameKind,
  GoAwaySchema,
  Inbox,
  leadingNumber,
  Outbox,
  type Request,
  RequestSchema,
  ResetSchema,
  ResponseSchema,
  ResultSchema,
  readFrames,
  SettingsSchema,
} from "@streamkit/protocol/transport";
import { WebSocketServer, type WebSocket as WsSocket } from "ws";

/** A call, as the peer sees it. */
export class PeerCall {
  readonly id: number;
  readonly request: Request;
  /** Headers of the socket, and those of the call. */
  readonly headers: Headers;
  /** Messages of the client that have arrived. */
  readonly messages: Uint8Array[] = [];
  readonly socket: PeerSocket;
  readonly #reset = Promise.withResolvers<void>();
  readonly #halfClosed = Promise.withResolvers<void>();
  #onMessage: (() => void) | undefined;

  constructor(socket: PeerSocket, id: number, request: Request, headers: Headers) {
    this.socket = socket;
    this.id = id;
    this.request = request;
    this.headers = headers;
  }

  /** Settled when the client ends the call. */
  get reset(): Promise<void> {
    return this.#reset.promise;
  }

  /** Settled when the client sends no more. */
  get halfClosed(): Promise<void> {
    return this.#halfClosed.promise;
  }

  /** The next message of the client; it gives the credit back. */
  async take(): Promise<Uint8Array> {
    while (this.messages.length === 0) {
      await new Promise<void>((resolve) => {
        this.#onMessage = resolve;
      });
    }
    const message = this.messages.shift() as Uint8Array;
    this.socket.taken(this.id, message.length);
    return message;
  }

  respond(headers: Record<string, string>): void {
    const list = Object.entries(headers).map(([name, value]) => ({ name, value }));
    this.socket.frame(
      this.id,
      encodeFrame(FrameKind.RESPONSE, this.id, toBinary(ResponseSchema, create(ResponseSchema, { headers: list }))),
    );
  }

  send(message: Uint8Array): void {
    this.socket.send(this.id, message);
  }

  result(result: MessageInitShape<typeof ResultSchema> = {}): void {
    const payload = toBinary(ResultSchema, create(ResultSchema, result));
    this.socket.frame(this.id, encodeFrame(FrameKind.RESULT, this.id, payload), true);
  }

  /** Ends the call early. */
  resetByPeer(message: string): void {
    const payload = toBinary(ResetSchema, create(ResetSchema, { message }));
    this.socket.frame(this.id, encodeFrame(FrameKind.RESET, this.id, payload), true);
  }

  /** True while messages of the peer wait for credit. */
  get isWaiting(): boolean {
    return this.socket.waiting(this.id) > 0;
  }

  arrived(message: Uint8Array): void {
    this.messages.push(message);
    this.#onMessage?.();
  }

  ended(kind: "reset" | "half close"): void {
    (kind === "reset" ? this.#reset : this.#halfClosed).resolve();
  }
}

/** One socket of the peer. */
export class PeerSocket {
  readonly below: WsSocket;
  readonly calls: PeerCall[] = [];
  /** Frames that have arrived, by kind. */
  readonly frames: FrameKind[] = [];
  /** WebSocket messages that have arrived. */
  messages = 0;
  /** True: the peer reads nothing of what it gets, and answers no ping. */
  isDeaf = false;
  readonly closed: Promise<number>;
  readonly #inbox = new Inbox(64 * 1_048_576);
  readonly #outbox = new Outbox();
  readonly #answer: (call: PeerCall) => unknown;
  #settings: [string, string][] = [];

  constructor(below: WsSocket, answer: (call: PeerCall) => unknown) {
    this.below = below;
    this.#answer = answer;
    this.closed = new Promise((resolve) => {
      below.on("close", (code) => resolve(code));
    });
    below.on("error", () => {});
    below.on("message", (data: Buffer) => {
      if (this.isDeaf) return;
      this.messages += 1;
      for (const frame of readFrames(new Uint8Array(data))) this.#receive(frame);
      this.#flush();
    });
  }

  taken(call: number, bytes: number): void {
    this.#inbox.taken(call, bytes);
    this.#flush();
  }

  send(call: number, message: Uint8Array): void {
    this.#outbox.send(call, message);
    this.#flush();
  }

  frame(call: number, frame: Uint8Array, ends = false): void {
    this.#outbox.frame(call, frame, ends);
    this.#flush();
  }

  waiting(call: number): number {
    return this.#outbox.waiting(call);
  }

  goAway(): void {
    this.#outbox.control(encodeFrame(FrameKind.GOAWAY, 0, toBinary(GoAwaySchema, create(GoAwaySchema))));
    this.#flush();
  }

  /** Sends bytes as they are. */
  raw(bytes: Uint8Array | string): void {
    this.below.send(bytes);
  }

  #flush(): void {
    for (const frame of this.#inbox.credits()) this.#outbox.control(frame);
    for (let message = this.#outbox.take(); message !== undefined; message = this.#outbox.take()) {
      if (this.below.readyState === this.below.OPEN) this.below.send(message);
    }
  }

  #receive(frame: Frame): void {
    const { kind, call: id, payload } = frame;
    this.frames.push(kind);
    const call = this.calls.find((one) => one.id === id);
    switch (kind) {
      case FrameKind.SETTINGS:
        this.#settings = fromBinary(SettingsSchema, payload).headers.map(({ name, value }) => [name, value]);
        return;
      case FrameKind.REQUEST: {
        const request = fromBinary(RequestSchema, payload);
        const headers = new Headers(this.#settings);
        for (const { name, value } of request.headers) headers.set(name, value);
        this.#inbox.open(id);
        this.#outbox.open(id);
        const opened = new PeerCall(this, id, request, headers);
        this.calls.push(opened);
        if (request.message !== undefined) {
          this.#inbox.pay(id, request.message.length);
          opened.arrived(request.message);
        }
        void this.#answer(opened);
        return;
      }
      case FrameKind.HALF_CLOSE:
        call?.ended("half close");
        return;
      case FrameKind.RESET:
        this.#inbox.close(id);
        this.#outbox.close(id);
        call?.ended("reset");
        return;
      case FrameKind.CREDIT:
        this.#outbox.give(id, leadingNumber(frame));
        return;
      case FrameKind.PING:
        this.#outbox.control(encodeFrame(FrameKind.PONG, 0, payload));
        return;
      case FrameKind.PONG:
        return;
      default: {
        const message = this.#inbox.receive(frame);
        if (message !== undefined) call?.arrived(message);
      }
    }
  }
}

/** A server of the WebSocket transport that does with each call, and each socket, as a test says. */
export interface SocketPeer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** All sockets so far. */
  readonly sockets: PeerSocket[];
  /** Requests for an upgrade so far. */
  readonly upgrades: IncomingMessage[];
  /** Refuses the upgrades of later sockets with this status; undefined: accepts them. */
  refusal: number | undefined;
  /** How many upgrades are refused. Default: all. */
  refusals: number;
  /** True: later upgrades get no answer at all. */
  isSilent: boolean;
}

/** Starts a peer. */
export async function socketPeer(
  answer: (call: PeerCall) => unknown,
  onSocket: (socket: PeerSocket) => void = () => {},
): Promise<SocketPeer> {
  const http = createServer((_, response) => response.writeHead(peer.refusal ?? 426).end("not a page\n"));
  const ws = new WebSocketServer({ noServer: true, handleProtocols: () => "streamkit.v1", perMessageDeflate: false });
  const open = new Set<Socket>();
  http.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.on("error", () => {}).on("close", () => open.delete(socket));
  });
  http.on("upgrade", (request, socket, head) => {
    peer.upgrades.push(request);
    if (peer.isSilent) return;
    if (peer.refusal !== undefined && peer.upgrades.length <= peer.refusals) {
      socket.end(`HTTP/1.1 ${peer.refusal} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
      return;
    }
    ws.handleUpgrade(request, socket, head, (below) => {
      const one = new PeerSocket(below, answer);
      peer.sockets.push(one);
      onSocket(one);
    });
  });
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const peer: SocketPeer = {
    url: `http://127.0.0.1:${port}`,
    port,
    sockets: [],
    upgrades: [],
    refusal: undefined,
    refusals: Number.POSITIVE_INFINITY,
    isSilent: false,
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => http.close(resolve));
    },
  };
  return peer;
}

/** Answers a unary call with its own message. */
export async function echo(call: PeerCall): Promise<void> {
  const message = await call.take();
  if (message.length < 60_000) call.result({ message });
  else {
    call.send(message);
    call.result();
  }
}
