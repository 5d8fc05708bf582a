import type { GroupState } from "@streamkit/protocol";
import type { GroupFeed } from "./group-feed.ts";
import { type GroupMessage, stateMessage } from "./group-message.ts";

/** State messages by what they are made of, for all subscribers in that state. */
const completions = new WeakMap<GroupState, GroupMessage>();
const heartbeats = new WeakMap<GroupState, GroupMessage>();

/** One subscriber's place in the feed of a group: a snapshot first, then changes. */
export class FeedReader {
  readonly #feed: GroupFeed;
  #after = 0;
  #leftAfter: number;
  #inSnapshot = true;
  /** The state of the group after the latest message that had one. */
  #state: GroupState | undefined;

  constructor(feed: GroupFeed) {
    this.#feed = feed;
    this.#leftAfter = feed.head;
    // A snapshot of nobody is complete with its first message.
    if (feed.state.workerCount === 0) this.#state = feed.state;
  }

  /** Whether the subscriber still waits for the end of a snapshot, or for changes up to this sequence. */
  wants(sequence: number): boolean {
    return this.#inSnapshot || this.#after < sequence;
  }

  /** The next message. After the snapshot, to be called when the reader wants something. */
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

  /** A message that repeats the state that the subscriber was told last. */
  heartbeat(): GroupMessage {
    return shared(heartbeats, "heartbeat", this.#state ?? this.#feed.state);
  }

  /** Who has left is not known any more: only a snapshot tells. */
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
