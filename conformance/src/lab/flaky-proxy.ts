import { type AddressInfo, connect, createServer } from "node:net";
import { DIRECTIONS, ProxiedConnection } from "./proxied-connection.ts";

/** A TCP proxy that a test can cut, or turn into a black hole. */
export interface FlakyProxy extends AsyncDisposable {
  readonly url: string;
  /** The port of this machine for new connections; undefined: the proxy resets them, as if no server were there. */
  target: number | undefined;
  /** Connections accepted so far. */
  readonly accepted: number;
  /** The open connections, oldest first. Each has faults of its own. */
  readonly connections: readonly ProxiedConnection[];
  /** Faults of the next connections, one each, which run when the proxy accepts the connection. */
  next: ((connection: ProxiedConnection) => void)[];
  /** Resets every open connection. */
  cut(): void;
  /** Open connections stay open and carry nothing any more; new ones are fine. */
  freeze(): void;
  /** Resets each of the next `connections` connections after it has carried so many bytes to the client. */
  cutAfter(bytes: number, connections: number): void;
}

/** Starts a proxy in front of a port of this machine. */
export async function flakyProxy(port?: number): Promise<FlakyProxy> {
  const open = new Set<ProxiedConnection>();
  let accepted = 0;
  const proxy = createServer((downstream) => {
    accepted += 1;
    if (faults.target === undefined) {
      downstream.on("error", () => {}).resetAndDestroy();
      return;
    }
    const upstream = connect(faults.target, "127.0.0.1");
    const connection = new ProxiedConnection(downstream, upstream, () => open.delete(connection));
    open.add(connection);
    faults.next.shift()?.(connection);
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const faults: FlakyProxy = {
    url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
    target: port,
    next: [],
    get accepted() {
      return accepted;
    },
    get connections() {
      return [...open];
    },
    cutAfter(bytes, connections) {
      const fault = (connection: ProxiedConnection) => connection.cutAfter("to client", bytes, "reset");
      faults.next = Array.from({ length: connections }, () => fault);
    },
    cut() {
      for (const connection of open) connection.cut("reset");
    },
    freeze() {
      for (const connection of open) for (const direction of DIRECTIONS) connection.silence(direction);
    },
    async [Symbol.asyncDispose]() {
      for (const connection of open) connection.destroy();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
  return faults;
}
