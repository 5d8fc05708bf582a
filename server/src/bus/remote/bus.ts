import type { Bus } from "../port.ts";
import { isTopic, type TopicListener, Topics } from "../topics.ts";
import { Backoff } from "./backoff.ts";
import type { Server } from "./link.ts";
import type { CheckedOptions } from "./options.ts";
import { Session } from "./session.ts";

/**
 * A bus whose server is another process. It holds one session at a time, and starts another after each that ends, until
 * it is closed.
 */
export class RemoteBus implements Bus {
  readonly kind: string;
  readonly location: string;
  readonly #servers: readonly Server[];
  readonly #options: CheckedOptions;
  readonly #backoff = new Backoff();
  readonly #topics = new Topics({
    added: (topic) => this.#session.subscribe(topic),
    removed: (topic) => this.#session.unsubscribe(topic),
  });
  /** Index of the server to dial next. Instances start with different ones. */
  #next: number;
  #session: Session;
  #pause: NodeJS.Timeout | undefined;
  /** The last reported state; undefined before the first report. */
  #connected: boolean | undefined;
  #closed = false;

  constructor(kind: string, location: string, servers: readonly Server[], options: CheckedOptions) {
    this.kind = kind;
    this.location = location;
    this.#servers = servers;
    this.#options = options;
    this.#next = Math.floor(Math.random() * servers.length);
    this.#session = this.#connect();
  }

  publish(topic: string, message: Uint8Array): void {
    if (isTopic(topic)) this.#session.publish(topic, message);
  }

  subscribe(topic: string, listener: TopicListener): Disposable {
    return this.#closed ? { [Symbol.dispose]() {} } : this.#topics.add(topic, listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#session.destroy();
    this.#topics.clear();
  }

  #connect(): Session {
    const server = this.#servers[this.#next % this.#servers.length];
    this.#next += 1;
    return new Session(server, () => this.#topics.names(), this.#options.heartbeatMillis, {
      opened: () => {
        this.#backoff.connected();
        this.#report(true);
      },
      message: (topic, message) => this.#topics.deliver(topic, message),
      lost: (error) => {
        this.#pause = setTimeout(() => {
          this.#session = this.#connect();
        }, this.#backoff.next());
        this.#report(false, error);
      },
    });
  }

  #report(connected: boolean, error?: Error): void {
    if (connected === this.#connected) return;
    this.#connected = connected;
    try {
      this.#options.onStateChange(connected, error);
    } catch {
      // Callbacks must not throw. This call comes from a timer or a socket, where an error would end the process.
    }
  }
}
