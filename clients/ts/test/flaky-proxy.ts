import { type AddressInfo, connect, createServer, type Socket } from "node:net";

/** A TCP proxy that a test can cut, or turn into a black hole. */
export interface FlakyProxy extends AsyncDisposable {
  readonly url: string;
  /** The port of this machine for new connections; undefined: the proxy resets them, as if no server were there. */
  target: number | undefined;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** Resets every open connection. */
  cut(): void;
  /** Open connections stay open and carry nothing any more; new ones are fine. */
  freeze(): void;
  /** Resets each of the next `connections` connections after it has carried so many bytes to the client. */
  cutAfter(bytes: number, connections: number): void;
}

/** Starts a proxy in front of a port of this machine. */
export async function flakyProxy(port?: number): Promise<FlakyProxy> {
  const open = new Set<Socket>();
  let accepted = 0;
  let cutAfterBytes = 0;
  let cuts = 0;
  const proxy = createServer((downstream) => {
    accepted += 1;
    if (faults.target === undefined) {
      downstream.on("error", () => {}).resetAndDestroy();
      return;
    }
    const upstream = connect(faults.target, "127.0.0.1");
    const limit = cuts > 0 ? cutAfterBytes : Number.POSITIVE_INFINITY;
    cuts -= 1;
    let carried = 0;
    downstream.pipe(upstream);
    upstream.on("data", (chunk: Buffer) => {
      const allowed = chunk.subarray(0, Math.max(0, limit - carried));
      carried += chunk.length;
      if (carried <= limit) downstream.write(allowed);
      else downstream.write(allowed, () => downstream.resetAndDestroy());
    });
    for (const [from, to] of [
      [downstream, upstream],
      [upstream, downstream],
    ]) {
      open.add(from);
      from.on("error", () => to.destroy());
      from.on("close", () => {
        open.delete(from);
        to.destroy();
      });
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const faults: FlakyProxy = {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    target: port,
    get accepted() {
      return accepted;
    },
    cutAfter(bytes, connections) {
      cutAfterBytes = bytes;
      cuts = connections;
    },
    cut() {
      for (const socket of open) socket.resetAndDestroy();
    },
    freeze() {
      for (const socket of open) {
        socket.unpipe();
        socket.removeAllListeners("data");
        socket.pause();
      }
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
  return faults;
}
