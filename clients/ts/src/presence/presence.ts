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
  /** Unique in its group. */
  readonly id: string;
  /** What the worker says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was registered, on the server's clock. */
  readonly joinTime: Date;
  /** A random number that this registration has and no other: a worker that registered again has another one. */
  readonly registration: bigint;
}

/** All workers of a group, by id in byte order. */
export type Inventory = readonly Worker[];

/** How a group is watched. */
export interface PresenceOptions extends SubscriptionOptions {
  /**
   * Longest time in which the server shows that the connection lives, in milliseconds: 1,000 to 3,600,000. Default
   * 15,000.
   */
  readonly interval?: number;
}

/** Who joins. */
export interface JoinOptions extends PresenceOptions {
  /** The worker's id. One that has the same id already is replaced. */
  readonly id: string;
  /** Labels, 4,096 bytes at most. */
  readonly metadata?: Readonly<Record<string, string>>;
  /** Told of the inventory at once and after each change. */
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

/** A group of workers: who is alive. */
export class Presence {
  readonly #context: ClientContext;
  readonly #place: { readonly storeId: string; readonly group: string };

  /** @internal Made by `StoreHandle.presence`. */
  constructor(context: ClientContext, storeId: string, group: string) {
    this.#context = context;
    this.#place = { storeId, group };
  }

  /** Watches the group: the inventory now, and after each change. Subscribes again by itself. */
  watch(options: PresenceOptions = {}): Subscription<Inventory> {
    checkOptions("presence.watch", options, PRESENCE_OPTIONS);
    const { interval = DEFAULT_INTERVAL_MILLIS } = options;
    return new Subscription(inventories(this.#opener(interval)), this.#context, options);
  }

  /**
   * Registers a worker until the membership is closed, and again by itself whenever the connection breaks. It is gone
   * at once when it is closed, and after three intervals when this process or the server vanishes.
   */
  join(options: JoinOptions): Membership {
    checkOptions("presence.join", options, JOIN_OPTIONS, ["id"]);
    const context = this.#context;
    const place = this.#place;
    const { id, interval = DEFAULT_INTERVAL_MILLIS } = options;
    // Rather a second attempt than one that hangs: the server waits for three intervals, and meanwhile no other renewal
    // leaves.
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

  /** The live workers, by id in byte order. */
  list(options: PageOptions = {}): Listing<Worker> {
    checkOptions("presence.list", options, PAGE_OPTIONS);
    return listing(options, async (pageSize, pageToken) => {
      const request = { ...this.#place, pageSize, pageToken };
      const response = await call(this.#context, PresenceService.method.listWorkers, request, options.signal);
      return { items: response.workers.map(toWorker), nextPageToken: response.nextPageToken };
    });
  }

  /**
   * Makes connections, of a worker or of somebody who watches. Throws at once what no connection is needed for to
   * refuse.
   */
  #opener(interval: number, worker?: { id: string; metadata: Record<string, string> }) {
    const request = { ...this.#place, interval: toDuration("interval", interval), ...(worker && { worker }) };
    const { subscribeToWorkers } = PresenceService.method;
    const limits = patience(this.#context, silenceMillis(interval));
    return (signal: AbortSignal): AsyncIterable<Inventory | undefined> => {
      // Each connection begins with a snapshot.
      const roster = new Roster();
      const apply = (response: SubscribeToWorkersResponse) => roster.apply(response);
      return callStream(this.#context, subscribeToWorkers, only(request), signal, apply, limits);
    };
  }
}

function inventories(
  open: (signal: AbortSignal) => AsyncIterable<Inventory | undefined>,
): SubscriptionSource<Inventory> {
  // Each inventory is everything.
  return { isLive: () => true, open };
}
