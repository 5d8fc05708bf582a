import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { type Notification, NotificationSchema } from "@streamkit/protocol/notification";
import type { Bus } from "../../bus/port.ts";

/** Hints about a space that was committed to again within this time are sent as one, in milliseconds. */
const GATHER_MILLIS = 2;

/** What hints lead to: nothing but a look at the storage. */
export interface HintListener {
  readonly onSpace: (space: string, revision: number) => void;
  readonly onWorkers: (group: string) => void;
  readonly onDeleted: () => void;
}

/**
 * What the instances that share a store tell each other about it (`streamkit.notification.v1`). Everyone sends; only
 * those who have live streams in the store listen.
 */
export class Hints {
  /** So that this one knows its own messages. */
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

  /** Begins to listen, if that has not happened yet. */
  listen(): void {
    this.#subscription ??= this.#bus.subscribe(this.#storeId, (message) => this.#receive(message));
  }

  /** Tells that this instance has committed to a space. */
  spaceChanged(space: string, revision: number): void {
    this.#spaces.set(space, revision);
    this.#sendSoon();
  }

  /** Tells that this instance has changed the workers of a group. */
  workersChanged(group: string): void {
    this.#groups.add(group);
    this.#sendSoon();
  }

  /** Tells that this instance has deleted the store. */
  storeDeleted(): void {
    this.#publish({ storeDeleted: true });
  }

  /** Sends what is left, and listens no more. */
  close(): void {
    if (this.#sending !== undefined) this.#send();
    this.#subscription?.[Symbol.dispose]();
    this.#subscription = undefined;
  }

  #sendSoon(): void {
    if (this.#sending !== undefined) return;
    // The first one at once; under load a few commits share a message.
    if (performance.now() - this.#lastSent > GATHER_MILLIS) this.#send();
    else this.#sending = setTimeout(() => this.#send(), GATHER_MILLIS);
  }

  #send(): void {
    clearTimeout(this.#sending);
    this.#sending = undefined;
    this.#lastSent = performance.now();
    const spaces = [...this.#spaces].map(([space, revision]) => ({ space, revision: BigInt(revision) }));
    const workerGroups = [...this.#groups];
    this.#spaces.clear();
    this.#groups.clear();
    this.#publish({ spaces, workerGroups });
  }

  #publish(fields: MessageInitShape<typeof NotificationSchema>): void {
    const message = create(NotificationSchema, { ...fields, instanceId: this.#instanceId, storeId: this.#storeId });
    this.#bus.publish(this.#storeId, toBinary(NotificationSchema, message));
  }

  #receive(bytes: Uint8Array): void {
    let message: Notification;
    try {
      message = fromBinary(NotificationSchema, bytes);
    } catch {
      return; // Not ours, or damaged: a lost hint like any other.
    }
    if (message.storeId !== this.#storeId || message.instanceId === this.#instanceId) return;
    for (const { space, revision } of message.spaces) this.#listener.onSpace(space, Number(revision));
    for (const group of message.workerGroups) this.#listener.onWorkers(group);
    if (message.storeDeleted) this.#listener.onDeleted();
  }
}
