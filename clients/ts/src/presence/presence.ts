import { PresenceService, type SubscribeToWorkersResponse } from "@streamkit/protocol";
import { type ClientContext, call } from "../context.ts";
import { type Listing, listing, type PageOptions } from "../listing.ts";
import { type ChecksOf, callback, checkOptions, labels, millis, PAGE_OPTIONS, text } from "../options.ts";
import { silenceMillis } from "../read/read.ts";
import {
  SUBSCRIPTION_OPTIONS,
  Subscription,
  type SubscriptionOptions,
  type SubscriptionSource,
} from "../subscribe/subscription.ts";
import { toDuration } from "../time.ts";
import { callStream, only, patience } from "../transport/call.ts";
import { Membership } from "./membership.ts";
import { Registration } from "./registration.ts";
import { Roster, toWorker } from "./roster.ts";

/** One live worker. */
export interface Worker {
  /** The id of the worker, unique in its group. */
  readonly id: string;
  /** Labels that the worker gave itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Time of the registration, on the server's clock. */
  readonly joinTime: Date;
  /** A random number of this registration. A worker that registers again gets another one. */
  readonly registration: bigint;
}

/** All workers of a group, by id in byte order. */
export type Inventory = readonly Worker[];

/** Options of watching a group. */
export interface PresenceOptions extends SubscriptionOptions {
  /**
   * Longest time between two signs of life on the connection, in milliseconds: 1,000 to 3,600,000. Default 15,000. The
   * server removes a worker without a sign of life for three intervals.
   */
  readonly interval?: number;
}

/** Options of a worker that joins. */
export interface JoinOptions extends PresenceOptions {
  /** The worker's id. The worker replaces an earlier one with the same id. */
  readonly id: string;
  /** Labels of the worker, at most 4,096 bytes. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Called with the inventory after the registration, and after each change. */
  readonly onChange?: (workers: Inventory) => void;
}

const PRESENCE_OPTIONS = {
  ...SUBSCRIPTION_OPTIONS,
  interval: millis(1_000, 3_600_000),
} satisfies ChecksOf<PresenceOptions>;

const JOIN_OPTIONS = {
  ...PRESENCE_OPTIONS,
  id: text,
  metadata: labels,
  onChange: callback,
} satisfies ChecksOf<JoinOptions>;

const DEFAULT_INTERVAL_MILLIS = 15_000;

/** A group of workers. It tells the live ones. */
export class Presence {
  readonly #context: ClientContext;
  readonly #place: { readonly storeId: string; readonly group: string };

  /** @internal Made by `StoreHandle.presence`. */
  constructor(context: ClientContext, storeId: string, group: string) {
    this.#context = context;
    this.#place = { storeId, group };
  }

  /** Watches the group: gives the inventory now, and after each change. Reconnects by itself. */
  watch(options: PresenceOptions = {}): Subscription<Inventory> {
    checkOptions("presence.watch", options, PRESENCE_OPTIONS);
    const { interval = DEFAULT_INTERVAL_MILLIS } = options;
    return new Subscription(inventories(this.#opener(interval)), this.#context, options);
  }

  /**
   * Registers a worker until the membership is closed. After a broken connection the client registers it again. The
   * worker leaves the group at once when the membership is closed, and three intervals after this process vanished.
   */
  join(options: JoinOptions): Membership {
    checkOptions("presence.join", options, JOIN_OPTIONS, ["id"]);
    const context = this.#context;
    const place = this.#place;
    const { id, interval = DEFAULT_INTERVAL_MILLIS } = options;
    // A short timeout leaves time for further attempts: the client sends one renewal at a time, and the server removes
    // the worker after three intervals.
    const hasty = { ...context, timeoutMillis: Math.min(context.timeoutMillis, Math.ceil(interval / 2)) };
    const registration = new Registration(id, interval, {
      register: this.#opener(interval, { id, metadata: { ...options.metadata } }),
      renew: (signal) => call(hasty, PresenceService.method.renewWorker, { ...place, workerId: id }, signal),
      list: (signal) => this.list({ signal }),
    });
    const source = inventories((signal) => registration.open(signal));
    const subscription = new Subscription(source, context, options);
    return new Membership(subscription, (signal) => registration.renew(signal), interval, options.onChange);
  }

  /** Lists the live workers, by id in byte order. */
  list(options: PageOptions = {}): Listing<Worker> {
    checkOptions("presence.list", options, PAGE_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { ...this.#place, pageSize, pageToken };
      const response = await call(this.#context, PresenceService.method.listWorkers, request, options.signal);
      return { items: response.workers.map(toWorker), nextPageToken: response.nextPageToken };
    });
  }

  /** Prepares connections, with or without a worker to register. Throws INVALID_FIELD for a wrong interval at once. */
  #opener(interval: number, worker?: { id: string; metadata: Record<string, string> }) {
    const request = { ...this.#place, interval: toDuration("interval", interval), ...(worker && { worker }) };
    const { subscribeToWorkers } = PresenceService.method;
    const limits = patience(this.#context, silenceMillis(interval));
    return (signal: AbortSignal): AsyncIterable<Inventory | undefined> => {
      // Each connection starts with a snapshot.
      const roster = new Roster();
      const apply = (response: SubscribeToWorkersResponse) => roster.apply(response);
      return callStream(this.#context, subscribeToWorkers, only(request), signal, apply, limits);
    };
  }
}

function inventories(
  open: (signal: AbortSignal) => AsyncIterable<Inventory | undefined>,
): SubscriptionSource<Inventory> {
  // An inventory is always complete.
  return { isLive: () => true, open };
}
