import { StreamService } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { type ChecksOf, callback, checkArgument, fields, heartbeat, text } from "../options.ts";
import { silenceMillis } from "../read/read.ts";
import { type SegmentStatus, toSegmentStatus } from "../status.ts";
import { toDuration } from "../time.ts";
import { callStream, only, patience } from "../transport/call.ts";
import { SUBSCRIPTION_OPTIONS, Subscription, type SubscriptionOptions } from "./subscription.ts";

/** An event of a status subscription. */
export type StatusEvent =
  /** A snapshot starts, for the first time or after a broken connection. Segments known before may be gone. */
  | { readonly kind: "snapshot" }
  /** The status of a segment, in the snapshot or after a change. A deleted or emptied segment has no entries left. */
  | { readonly kind: "status"; readonly status: SegmentStatus }
  /** The snapshot is complete. Changes follow. */
  | { readonly kind: "live" };

/** Options of a status subscription. */
export interface StatusSubscriptionOptions extends SubscriptionOptions {
  /** Prefix of the names of watched segments. Default: all segments. */
  readonly prefix?: string;
  /** Interval of the server's heartbeats, in milliseconds: 100 to 3,600,000. Default 15,000. */
  readonly heartbeatInterval?: number;
}

/** Functions that get the events, in place of an iteration. */
export interface StatusHandlers {
  /** Called with the status of a segment, in the snapshot or after a change. */
  readonly onStatus: (status: SegmentStatus) => void;
  /** Called at the start of a snapshot. Segments known before may be gone. */
  readonly onSnapshot?: () => void;
  /** Called when the snapshot is complete. */
  readonly onLive?: () => void;
}

export const SEGMENT_SUBSCRIPTION_OPTIONS = {
  ...SUBSCRIPTION_OPTIONS,
  heartbeatInterval: heartbeat,
} satisfies ChecksOf<Omit<StatusSubscriptionOptions, "prefix">>;

export const STATUS_SUBSCRIPTION_OPTIONS = {
  ...SEGMENT_SUBSCRIPTION_OPTIONS,
  prefix: text,
} satisfies ChecksOf<StatusSubscriptionOptions>;

const STATUS_HANDLERS = {
  onStatus: callback,
  onSnapshot: callback,
  onLive: callback,
} satisfies ChecksOf<StatusHandlers>;

/** A status subscription that calls functions. */
export interface StatusCallbacks extends Disposable {
  /** The present state, with its reason. */
  readonly state: Subscription<StatusEvent>["state"];
  /** Resolves after `close`. Rejects with StreamkitError if the subscription failed for good, or a handler threw. */
  readonly ended: Promise<void>;
  /** Ends the subscription and frees its connection. */
  close(): void;
}

/** Watches one segment of a space; or, with "" for `segment`, all segments with the prefix. */
export function subscribeToStatus(
  context: ClientContext,
  place: { storeId: string; space: string; segment: string },
  options: StatusSubscriptionOptions,
): Subscription<StatusEvent> {
  const { space } = place;
  const request = {
    ...place,
    segmentPrefix: options.prefix ?? "",
    heartbeatInterval: toDuration("heartbeatInterval", options.heartbeatInterval),
  };
  const source = {
    isLive: (event: StatusEvent) => event.kind === "live",
    async *open(signal: AbortSignal): AsyncGenerator<StatusEvent | undefined> {
      const { subscribeToSegmentStatus } = StreamService.method;
      const limits = patience(context, silenceMillis(options.heartbeatInterval));
      const responses = callStream(context, subscribeToSegmentStatus, only(request), signal, (r) => r, limits);
      let begun = false;
      for await (const { event } of responses) {
        if (!begun) yield { kind: "snapshot" };
        begun = true;
        if (event.case === "status") {
          yield { kind: "status", status: toSegmentStatus(space, event.value.segment, event.value) };
        } else if (event.case === "snapshotComplete") yield { kind: "live" };
        else yield undefined;
      }
    },
  };
  return new Subscription<StatusEvent>(source, context, options);
}

/** Passes the events of a subscription to functions. */
export function callBack(subscription: Subscription<StatusEvent>, handlers: StatusHandlers): StatusCallbacks {
  checkArgument("subscribe", "handlers", handlers, fields(STATUS_HANDLERS, ["onStatus"]));
  const ended = subscription.deliver((event) => {
    if (event.kind === "status") handlers.onStatus(event.status);
    else if (event.kind === "snapshot") handlers.onSnapshot?.();
    else handlers.onLive?.();
  });
  // A caller that ignores `ended` can look at the state.
  ended.catch(() => {});
  return {
    get state() {
      return subscription.state;
    },
    ended,
    close: () => subscription.close(),
    [Symbol.dispose]: () => subscription.close(),
  };
}
