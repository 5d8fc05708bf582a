import type { GroupState } from "@streamkit/protocol";
import type { GroupFeed } from "./group-feed.ts";
import { type GroupMessage, stateMessage } from "./group-message.ts";

/** State messages by their state: all subscribers in one state share a message. */
const completions = new WeakMap<GroupState, GroupMessage>();
const heartbeats = new WeakMap<GroupState, GroupMessage>();

/** The position of one subscriber in the feed of a group: first in a snapshot, then in the changes. */
export class FeedReader {
  readonly #feed: GroupFeed;
  #after = 0;
  #leftAfter: number;
  #inSnapshot = true;
  /** The state of the group after the latest message that carried one. */
  #state: GroupState | undefined;

  constructor(feed: GroupFeed) {
    this.#feed = feed;
    this.#leftAfter = feed.head;
    // The snapshot of an empty group is complete with its first message.
    if (feed.state.workerCount === 0) this.#state = feed.state;
  }

  /** True if the subscriber still waits for the end of a snapshot, or for changes up to this sequence. */
  wants(sequence: number): boolean {
    return this.#inSnapshot || this.#after < sequence;
  }

  /** The next message. After the snapshot, call it only if `wants` is true. */
  next(): GroupMessage {
    if (this.#inSnapshot && this.#state !== undefined) {
      this.#inSnapshot = false;
      this.#after = Math.max(this.#after, this.#leftAfter);
      return shared(completions, "snapshotComplete", this.#state);
    }
    if (this.#feed.forgotten > Math.max(this.#after, this.#leftAfter)) this.#startAgain();
    const page = this.#feed.page({ after: this.#after, leftAfter: this.#leftAfter, inSnapshot: this.#inSnapshot });
    this.#after = page.end;
    if (page.state !== undefined) this.#state = page.state;
    return page.message;
  }

  /** A message that repeats the last state that the subscriber got. */
  heartbeat(): GroupMessage {
    return shared(heartbeats, "heartbeat", this.#state ?? this.#feed.state);
  }

  /** Starts another snapshot, since the feed has forgotten workers that left. */
  #startAgain(): void {
    this.#after = 0;
    this.#leftAfter = this.#feed.head;
    this.#inSnapshot = true;
    this.#state = undefined;
  }
}

function shared(
  messages: WeakMap<GroupState, GroupMessage>,
  kind: "snapshotComplete" | "heartbeat",
  state: GroupState,
): GroupMessage {
  let message = messages.get(state);
  if (message === undefined) {
    message = stateMessage(kind, state);
    messages.set(state, message);
  }
  return message;
}
