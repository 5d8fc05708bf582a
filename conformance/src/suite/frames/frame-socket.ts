import { setTimeout as pause } from "node:timers/promises";
import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import {
  creditFrame,
  encodeFrame,
  FrameKind,
  MAX_FRAME_BYTES,
  RequestSchema,
  type Result,
  SettingsSchema,
} from "@streamkit/protocol/transport";
import { check, type Exchange, FrameMismatch } from "./exchange.ts";
import { Received, type ReceivedCall } from "./received.ts";

/** Rounds of calls, and a time, after which a server has sent all that it would send now. */
const SETTLING_ROUNDS = 10;
const SETTLING_MILLIS = 200;
/** A path that no server knows: its failure needs no credit. */
export const NO_PATH = "/streamkit.v1.Nothing/Nothing";
const NOTHING = new Uint8Array();

/** A client of the transport that sends exactly the frames of an exchange. It gives no credit by itself. */
export class FrameSocket {
  readonly received = new Received();
  readonly #socket: WebSocket;
  readonly #millis: number;
  readonly #wake = new Set<() => void>();
  #latest = 0;
  #violation: FrameMismatch | undefined;
  #closed: { readonly code: number } | undefined;

  private constructor(socket: WebSocket, millis: number) {
    this.#socket = socket;
    this.#millis = millis;
    socket.binaryType = "arraybuffer";
    socket.onopen = () => this.#notify();
    socket.onerror = () => this.#notify();
    socket.onclose = ({ code }) => {
      this.#closed = { code };
      this.#notify();
    };
    socket.onmessage = ({ data }) => {
      try {
        this.received.message(data);
      } catch (error) {
        this.#violation ??= new FrameMismatch((error as Error).message, { cause: error });
      }
      this.#notify();
    };
  }

  /** Opens a socket, and sends the token of the exchange in SETTINGS. */
  static async open({ url, token, millis }: Exchange): Promise<FrameSocket> {
    const address = `${url.replace(/^http/, "ws").replace(/\/$/, "")}/streamkit.v1/socket`;
    const raw = new WebSocket(address, ["streamkit.v1"]);
    const socket = new FrameSocket(raw, millis);
    await socket.until("the socket opens", () => raw.readyState === WebSocket.OPEN);
    if (token !== "") {
      const settings = create(SettingsSchema, { headers: [{ name: "authorization", value: `Bearer ${token}` }] });
      socket.send(encodeFrame(FrameKind.SETTINGS, 0, toBinary(SettingsSchema, settings)));
    }
    return socket;
  }

  /** The subprotocol and the extensions that the server has chosen. */
  get negotiated(): { readonly protocol: string; readonly extensions: string } {
    const { protocol, extensions } = this.#socket;
    return { protocol, extensions };
  }

  /** Id of the latest call. */
  get latest(): number {
    return this.#latest;
  }

  /** Sends frames in one WebSocket message. */
  send(...frames: Uint8Array[]): void {
    this.#socket.send(Buffer.concat(frames));
  }

  /** Sends a text message. */
  sendText(text: string): void {
    this.#socket.send(text);
  }

  /** Counts a call that an exchange begins by frames of its own. */
  began(call: number): void {
    this.#latest = Math.max(this.#latest, call);
    this.received.open(call);
  }

  /** Begins a call and returns its id. */
  request(request: MessageInitShape<typeof RequestSchema>, id = this.#latest + 1): number {
    this.began(id);
    this.send(encodeFrame(FrameKind.REQUEST, id, toBinary(RequestSchema, create(RequestSchema, request))));
    return id;
  }

  /** Sends a message of a call in MESSAGE, or in FIRST and NEXT. Each frame gets a WebSocket message of its own. */
  sendMessage(call: number, message: Uint8Array): void {
    for (const frame of framesOf(call, message)) this.send(frame);
  }

  /** Ends a call. */
  reset(call: number): void {
    this.call(call).cancelled = true;
    this.send(encodeFrame(FrameKind.RESET, call, NOTHING));
  }

  /** Gives credit for a call; 0 means the socket. */
  give(call: number, bytes: number): void {
    this.received.give(call, bytes);
    this.send(creditFrame(call, bytes));
  }

  /** Gives back what the messages of a call have cost, to the call while it is open, and to the socket. */
  giveBack(call: number): number {
    const receiver = this.call(call);
    const { owed } = receiver;
    if (owed === 0) return 0;
    receiver.owed = 0;
    if (receiver.result === undefined) this.give(call, owed);
    this.give(0, owed);
    return owed;
  }

  /** The frames that have arrived for a call. */
  call(id: number): ReceivedCall {
    const call = this.received.calls.get(id);
    if (call === undefined) throw new Error(`the exchange has no call ${id}`);
    return call;
  }

  /**
   * Waits for a condition.
   *
   * @throws FrameMismatch if the socket closes before, the time passes, or the server breaks a rule of frames
   */
  async until(event: string, condition: () => boolean): Promise<void> {
    const end = performance.now() + this.#millis;
    for (;;) {
      if (this.#violation !== undefined) throw this.#violation;
      if (condition()) return;
      if (this.#closed !== undefined)
        throw new FrameMismatch(`the socket closed with ${this.#closed.code} before ${event}`);
      const left = end - performance.now();
      check(left > 0, `not in ${Math.round(this.#millis)} ms: ${event}`);
      await this.#change(left);
    }
  }

  /** Waits for the RESULT of a call. */
  async result(call: number): Promise<Result> {
    await this.until(`call ${call} has its RESULT`, () => this.call(call).result !== undefined);
    const { result } = this.call(call);
    if (result === undefined) throw new Error("a RESULT vanished");
    return result;
  }

  /** Waits for the end of the socket and returns its code. */
  async closed(): Promise<number> {
    await this.until("the server closes the socket", () => this.#closed !== undefined);
    return this.#closed?.code ?? 0;
  }

  /** Waits until the server has sent all that it would send now. Needs no credit. */
  async settle(): Promise<void> {
    for (let round = 0; round < SETTLING_ROUNDS; round++) {
      await this.result(this.request({ path: NO_PATH, message: NOTHING }));
    }
    await pause(SETTLING_MILLIS);
    await this.result(this.request({ path: NO_PATH, message: NOTHING }));
  }

  [Symbol.dispose](): void {
    this.#socket.close();
  }

  async #change(millis: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        clearTimeout(timer);
        this.#wake.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, millis);
      this.#wake.add(wake);
    });
  }

  #notify(): void {
    for (const wake of [...this.#wake]) wake();
  }
}

/** The frames of a message: MESSAGE, or FIRST and NEXT where it is too large for one frame. */
export function framesOf(call: number, message: Uint8Array): Uint8Array[] {
  if (message.length <= MAX_FRAME_BYTES) return [encodeFrame(FrameKind.MESSAGE, call, message)];
  const total = Buffer.alloc(4);
  total.writeUInt32BE(message.length);
  const first = message.subarray(0, MAX_FRAME_BYTES - total.length);
  const frames = [encodeFrame(FrameKind.FIRST, call, Buffer.concat([total, first]))];
  for (let at = first.length; at < message.length; at += MAX_FRAME_BYTES) {
    frames.push(encodeFrame(FrameKind.NEXT, call, message.subarray(at, at + MAX_FRAME_BYTES)));
  }
  return frames;
}
