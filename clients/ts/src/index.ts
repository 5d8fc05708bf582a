/** Streamkit client: append, produce, read and follow ordered event streams. Runs wherever ES modules do. */
export {
  type ClientOptions,
  createStreamkitClient,
  type ServerBudgets,
  type ServerInfo,
  type StreamkitClient,
} from "./client.ts";
export {
  type BytesInput,
  bytes,
  type Codec,
  type DecodeContext,
  json,
  type Labeled,
  protobuf,
  withMetadata,
} from "./codec.ts";
export type { Consumer, ConsumerMetrics } from "./consumer/consumer.ts";
export type {
  ConsumerOptions,
  Exclusive,
  FailureDecision,
  HandlerContext,
  HandlerFailure,
  Parking,
} from "./consumer/options.ts";
export type { ConsumerCounts } from "./consumer/stint.ts";
export type { TokenSource } from "./credentials/credentials.ts";
export type { Cursor, CursorCommitOptions, Cursors } from "./cursor/cursors.ts";
export {
  type FieldViolation,
  StreamkitError,
  type StreamkitErrorCode,
  type StreamkitErrorFacts,
  type StreamkitErrorReason,
  type UndecodedEntry,
} from "./errors/error.ts";
export type { Lease, LeaseClaim, LeaseOptions, Leases } from "./lease/leases.ts";
export type { WithLeaseOptions } from "./lease/with-lease.ts";
export type { Listing, ListOptions, ListPage, PageOptions } from "./listing.ts";
export type { Position, SpaceOffsets } from "./position.ts";
export type { Membership } from "./presence/membership.ts";
export type { Inventory, JoinOptions, Presence, PresenceOptions, Worker } from "./presence/presence.ts";
export type { Batch } from "./read/batch.ts";
export type { MergedReadOptions, ReadOptions, SegmentReadOptions, SpaceReadOptions } from "./read/bounds.ts";
export type { Consumption, ReadIterator } from "./read/consumption.ts";
export type { Entry } from "./read/entry.ts";
export type { Page } from "./read/read.ts";
export type {
  EntryPage,
  LoadedSegment,
  LoadOptions,
  PageReadOptions,
  SegmentPageOptions,
  SpacePageOptions,
} from "./read/single-page.ts";
export type { RetryEvent, RetryOptions } from "./retry/backoff.ts";
export type {
  SegmentAppendOptions,
  SegmentHandle,
  SegmentProduceOptions,
  SegmentProduceSummary,
  SegmentSubscriptionOptions,
} from "./segment.ts";
export type { AppendOptions, RoutedRecord, SpaceHandle, SpaceProduceOptions } from "./space.ts";
export type { ConsumerState, ReadState, Retrying, SubscriptionState } from "./state.ts";
export type { SegmentStatus, SpaceStatus } from "./status.ts";
export type { LeaseScope, StoreHandle } from "./store.ts";
export type {
  StatusCallbacks,
  StatusEvent,
  StatusHandlers,
  StatusSubscriptionOptions,
} from "./subscribe/segment-status.ts";
export type { Subscription, SubscriptionOptions } from "./subscribe/subscription.ts";
export type { TimeInput } from "./time.ts";
export { describeTransport, type TransportDescription, transportDescription } from "./transport/description.ts";
export type { LongPolling } from "./transport/streams.ts";
export type { RecordInit } from "./wire/record.ts";
export type { AppendRange, AppendResult, SegmentAppendResult } from "./write/append-result.ts";
export type { ProduceOptions, ProduceSummary } from "./write/produce.ts";
export type { RecordSource } from "./write/production.ts";
export type { AppendSession, SessionOptions } from "./write/session.ts";
export type { AppendConditions, SegmentAppend, TransactionOptions } from "./write/transaction.ts";
