import { StreamService } from "@streamkit/protocol";
import type { ClientContext } from "../context.ts";
import { type ChecksOf, callback, checkArgument, fields, heartbeat, text } from "../options.ts";
import { silenceMillis } from "../read/read.ts";
import { type SegmentStatus, toSegmentStatus } from "../status.ts";
import { toDuration } from "../time.ts";
import { callStream, only, patience } from "../transport/call.ts";
import { SUBSCRIPTION_OPTIONS, Subscription, type SubscriptionOptions } from "./subscription.ts";

/** What happens to the segments that are watched. */
export type StatusEvent =
  /** A snapshot begins, the first one or one after the connection broke: what was known before may be gone. */
  | { readonly kind: "snapshot" }
  /** Where a segment stands: part of the snapshot, or a change. One that was deleted or emptied has no entries left. */
  | { readonly kind: "status"; readonly status: SegmentStatus }
  /** The snapshot is complete: what follows are changes. */
  | { readonly kind: "live" };

/** Which segments to watch, and how. */
export interface StatusSubscriptionOptions extends SubscriptionOptions {
  /** Only segments whose names start with this. */
  readonly prefix?: string;
  /** How often the server shows that it lives, in milliseconds: 100 to 3,600,000. Default 15,000. */
  readonly heartbeatInterval?: number;
}

/** Called for what happens, instead of iterating over it. */
export interface StatusHandlers {
  /** A segment stands here now. */
  readonly onStatus: (status: SegmentStatus) => void;
  /** A snapshot begins: forget what was known. */
  readonly onSnapshot?: () => void;
  /** The snapshot is complete. */
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

/** A subscription that calls back. */
export interface StatusCallbacks extends Disposable {
  readonly state: Subscription<StatusEvent>["state"];
  /** Resolves when it was closed; rejects with StreamkitError when it has failed, also because a handler threw. */
  readonly ended: Promise<void>;
  close(): void;
}

/** Watches segments of a space; `segment` "" for all that have the prefix. */
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

/** Runs a subscription for its callbacks. */
export function callBack(subscription: Subscription<StatusEvent>, handlers: StatusHandlers): StatusCallbacks {
  checkArgument("subscribe", "handlers", handlers, fields(STATUS_HANDLERS, ["onStatus"]));
  const ended = subscription.deliver((event) => {
    if (event.kind === "status") handlers.onStatus(event.status);
    else if (event.kind === "snapshot") handlers.onSnapshot?.();
    else handlers.onLive?.();
  });
  // Whoever does not look at `ended` sees the state.
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
