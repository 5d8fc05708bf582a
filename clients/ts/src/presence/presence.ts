import { PresenceService, type Worker as WireWorker } from "@streamkit/protocol";
import { type ClientContext, call } from "../context.ts";
import { type Listing, listing, type PageOptions } from "../listing.ts";
import { Subscription, type SubscriptionOptions } from "../subscribe/subscription.ts";
import { timestampDate, toDuration } from "../time.ts";
import { callStream, only } from "../transport/call.ts";
import { Membership } from "./membership.ts";

/** One live worker. */
export interface Worker {
  /** Unique in its group. */
  readonly id: string;
  /** What the worker says of itself. */
  readonly metadata: Readonly<Record<string, string>>;
  /** When it was registered, on the server's clock. */
  readonly joinTime: Date;
}

/** All workers of a group, by id in byte order. */
export type Inventory = readonly Worker[];

/** How a group is watched. */
export interface PresenceOptions extends SubscriptionOptions {
  /** How often the server repeats the inventory, in milliseconds: 1,000 to 3,600,000. Default 15,000. */
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

const DEFAULT_INTERVAL_MILLIS = 15_000;

/** A group of workers: who is alive. */
export class Presence {
  private readonly context: ClientContext;
  private readonly place: { readonly storeId: string; readonly group: string };

  /** @internal Made by `StoreHandle.presence`. */
  constructor(context: ClientContext, storeId: string, group: string) {
    this.context = context;
    this.place = { storeId, group };
  }

  /** Watches the group: the inventory now, and after each change. Subscribes again by itself. */
  watch(options: PresenceOptions = {}): Subscription<Inventory> {
    return new Subscription(this.source(options, undefined), this.context, options);
  }

  /**
   * Registers a worker until the membership is closed, and again by itself whenever the connection breaks. It is gone at once
   * when it is closed, and after three intervals when this process or the server vanishes.
   */
  join(options: JoinOptions): Membership {
    const worker = { id: options.id, metadata: { ...options.metadata } };
    const subscription = new Subscription(this.source(options, worker), this.context, options);
    const renew = (signal: AbortSignal) =>
      call(this.context, PresenceService.method.renewWorker, { ...this.place, workerId: options.id }, signal);
    return new Membership(subscription, renew, options.interval ?? DEFAULT_INTERVAL_MILLIS, options.onChange);
  }

  /** The live workers, by id in byte order. */
  list(options: PageOptions = {}): Listing<Worker> {
    return listing(options, async (pageSize, pageToken) => {
      const request = { ...this.place, pageSize, pageToken };
      const response = await call(this.context, PresenceService.method.listWorkers, request, options.signal);
      return { items: response.workers.map(toWorker), nextPageToken: response.nextPageToken };
    });
  }

  private source(options: PresenceOptions, worker: { id: string; metadata: Record<string, string> } | undefined) {
    const { context, place } = this;
    const interval = options.interval ?? DEFAULT_INTERVAL_MILLIS;
    const request = { ...place, interval: toDuration("interval", interval), ...(worker && { worker }) };
    return {
      heartbeatMillis: interval,
      // Each response is everything.
      isLive: () => true,
      open: (signal: AbortSignal) =>
        callStream(
          context,
          PresenceService.method.subscribeToWorkers,
          only(request),
          signal,
          ({ workers }): Inventory => workers.map(toWorker),
        ),
    };
  }
}

function toWorker({ id, metadata, joinTime }: WireWorker): Worker {
  return { id, metadata, joinTime: joinTime === undefined ? new Date(0) : timestampDate(joinTime) };
}
