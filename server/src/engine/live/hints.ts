import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Notification, NotificationSchema } from "@streamkit/protocol/notification";
import type { Bus } from "../../bus/port.ts";

/** Hints within this time after a message are sent together in the next message, in milliseconds. */
const GATHER_MILLIS = 2;
/** Most names in a message. A name has up to 255 bytes, so the message has room for all of them. */
const MAX_NAMES = 200;
/**
 * Longest message, in bytes. No server sends a longer one. To decode a forged one would cost more than the look at the
 * storage that it asks for.
 */
const MAX_MESSAGE_BYTES = 65_536;

/** Receives the hints of other instances. A hint only causes a look at the storage. */
export interface HintListener {
  readonly onSpace: (space: string, revision: number) => void;
  readonly onWorkers: (group: string) => void;
  readonly onDeleted: () => void;
}

/**
 * The messages between instances that share a store (`streamkit.notification.v1`). Every instance sends. Only an
 * instance with live streams in the store listens.
 */
export class Hints {
  /** Lets the instance recognise its own messages. */
  readonly #instanceId = crypto.randomUUID();
  readonly #bus: Bus;
  readonly #storeId: string;
  readonly #listener: HintListener;
  readonly #spaces = new Map<string, number>();
  readonly #groups = new Set<string>();
  #subscription: Disposable | undefined;
  #sending: NodeJS.Timeout | undefined;
  #lastSent = Number.NEGATIVE_INFINITY;

  constructor(bus: Bus, storeId: string, listener: HintListener) {
    this.#bus = bus;
    this.#storeId = storeId;
    this.#listener = listener;
  }

  /** Starts to listen, unless it already does. */
  listen(): void {
    this.#subscription ??= this.#bus.subscribe(this.#storeId, (message) => this.#receive(message));
  }

  /** Tells other instances that this instance has committed to a space. */
  spaceChanged(space: string, revision: number): void {
    this.#spaces.set(space, revision);
    this.#sendSoon();
  }

  /** Tells other instances that this instance has changed the workers of a group. */
  workersChanged(group: string): void {
    this.#groups.add(group);
    this.#sendSoon();
  }

  /** Tells other instances that this instance has deleted the store. */
  storeDeleted(): void {
    this.#publish({ storeDeleted: true });
  }

  /** Sends the remaining hints and stops listening. */
  close(): void {
    if (this.#sending !== undefined) this.#send();
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
  }

  #sendSoon(): void {
    if (this.#sending !== undefined) return;
    // The first hint leaves at once. Under load, several commits share a message.
    if (performance.now() - this.#lastSent > GATHER_MILLIS) this.#send();
    else this.#sending = setTimeout(() => this.#send(), GATHER_MILLIS);
  }

  #send(): void {
    clearTimeout(this.#sending);
    this.#sending = undefined;
    this.#lastSent = performance.now();
    const spaces = [...this.#spaces].map(([space, revision]) => ({ space, revision: BigInt(revision) }));
    const groups = [...this.#groups];
    this.#spaces.clear();
    this.#groups.clear();
    while (spaces.length + groups.length > 0) {
      const some = spaces.splice(0, MAX_NAMES);
      this.#publish({ spaces: some, workerGroups: groups.splice(0, MAX_NAMES - some.length) });
    }
  }

  #publish(fields: MessageInitShape<typeof NotificationSchema>): void {
    const message = create(NotificationSchema, { ...fields, instanceId: this.#instanceId, storeId: this.#storeId });
    this.#bus.publish(this.#storeId, toBinary(NotificationSchema, message));
  }

  #receive(bytes: Uint8Array): void {
    if (bytes.byteLength > MAX_MESSAGE_BYTES) return;
    let message: Notification;
    try {
      message = fromBinary(NotificationSchema, bytes);
    } catch {
      return; // The message is foreign or damaged; ignoring it equals losing a hint.
    }
    if (message.storeId !== this.#storeId || message.instanceId === this.#instanceId) return;
    for (const { space, revision } of message.spaces) this.#listener.onSpace(space, Number(revision));
    for (const group of message.workerGroups) this.#listener.onWorkers(group);
    if (message.storeDeleted) this.#listener.onDeleted();
  }
}
