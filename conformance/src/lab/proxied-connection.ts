import type { Socket } from "node:net";

/** The two ways of bytes through a proxy. */
export const DIRECTIONS = ["to client", "to server"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** The ends of a connection: RST, or FIN without a word of the protocol. */
export type Ending = "reset" | "finish";

/** Carries the bytes of one direction. */
class Lane {
  readonly #from: Socket;
  readonly #to: Socket;
  #isSilent = false;
  #isOver = false;
  #holds = 0;
  /** The number of bytes that still pass before the action runs. */
  #cut: { bytes: number; readonly run: () => void } | undefined;

  constructor(from: Socket, to: Socket) {
    this.#from = from;
    this.#to = to;
    from.on("data", (chunk: Buffer) => this.#carry(chunk));
    from.on("end", () => to.end());
  }

  cutAfter(bytes: number, run: () => void): void {
    this.#cut = { bytes, run };
  }

  /** Carries nothing any more. Bytes that arrive wait in vain. */
  silence(): void {
    this.#isSilent = true;
    this.#from.pause();
  }

  /** Drops everything from now on, and still notices the end. */
  drop(): void {
    this.#isOver = true;
  }

  hold(): void {
    this.#holds += 1;
    this.#from.pause();
  }

  unhold(): void {
    this.#holds -= 1;
    this.#resume();
  }

  forgetCut(): void {
    this.#cut = undefined;
  }

  #carry(chunk: Buffer): void {
    if (this.#isOver) return;
    const cut = this.#cut;
    if (cut !== undefined && chunk.length > cut.bytes) {
      this.#isOver = true;
      this.#to.write(chunk.subarray(0, cut.bytes), cut.run);
      return;
    }
    if (cut !== undefined) cut.bytes -= chunk.length;
    if (this.#to.write(chunk)) return;
    this.hold();
    this.#to.once("drain", () => this.unhold());
  }

  #resume(): void {
    if (this.#holds === 0 && !this.#isSilent) this.#from.resume();
  }
}

/** One connection through a proxy, and the faults of its network. */
export class ProxiedConnection {
  readonly #sockets: Readonly<Record<"client" | "server", Socket>>;
  readonly #lanes: Readonly<Record<Direction, Lane>>;
  /** The timers of delays, each with the function that ends the delay. */
  readonly #delays = new Map<NodeJS.Timeout, () => void>();
  /** True once one side does not hear of the end of the other. */
  #isHalfOpen = false;

  /** @param onClose called when no side is open any more */
  constructor(client: Socket, server: Socket, onClose: () => void) {
    this.#sockets = { client, server };
    this.#lanes = { "to client": new Lane(server, client), "to server": new Lane(client, server) };
    let open = 2;
    for (const [from, to] of [
      [client, server],
      [server, client],
    ]) {
      from.on("error", () => {});
      from.on("close", () => {
        if (!this.#isHalfOpen) to.destroy();
        open -= 1;
        if (open === 0) onClose();
      });
    }
  }

  /** Ends the connection of both sides now. */
  cut(ending: Ending): void {
    for (const lane of Object.values(this.#lanes)) lane.drop();
    for (const socket of Object.values(this.#sockets)) {
      if (ending === "reset") socket.resetAndDestroy();
      else socket.end();
    }
  }

  /** Ends the connection after `bytes` more bytes in one direction. The end may divide a message. */
  cutAfter(direction: Direction, bytes: number, ending: Ending): void {
    this.#lanes[direction].cutAfter(bytes, () => this.cut(ending));
  }

  /** Carries no bytes for some time. They arrive afterwards, in order. */
  delay(millis: number): void {
    const lanes = Object.values(this.#lanes);
    for (const lane of lanes) lane.hold();
    const timer = setTimeout(() => this.#delays.get(timer)?.(), millis);
    this.#delays.set(timer, () => {
      this.#delays.delete(timer);
      for (const lane of lanes) lane.unhold();
    });
  }

  /** Carries nothing any more in one direction. The connection stays open. */
  silence(direction: Direction): void {
    this.#lanes[direction].silence();
  }

  /** Resets one side. The other side hears nothing of it: its connection stays open and carries nothing. */
  halfOpen(lost: "client" | "server"): void {
    this.#isHalfOpen = true;
    for (const direction of DIRECTIONS) this.silence(direction);
    this.#sockets[lost].resetAndDestroy();
  }

  /** Ends delays, and forgets cuts that have not happened. A silence stays. */
  calm(): void {
    for (const lane of Object.values(this.#lanes)) lane.forgetCut();
    for (const [timer, end] of [...this.#delays]) {
      clearTimeout(timer);
      end();
    }
  }

  /** Ends both sides, also of a half-open connection. */
  destroy(): void {
    this.calm();
    for (const socket of Object.values(this.#sockets)) socket.destroy();
  }
}
