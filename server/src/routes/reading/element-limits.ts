import type { DescField } from "@bufbuild/protobuf";
import {
  CommitCursorRequestSchema,
  ConsumeRequestSchema,
  ErrorReason,
  LIMITS,
  RecordSchema,
  SegmentAppendSchema,
  StreamService,
} from "@streamkit/protocol";
import { MAX_LABELS } from "../../engine/append/segment-append.ts";
import { refusal } from "./refusal.ts";

/** How many elements all lists or maps of one field may have in one message. */
export interface ElementLimit {
  readonly max: number;
  /** What the elements are, in the plural. */
  readonly noun: string;
  readonly reason: ErrorReason;
  /** The field that a refusal names. */
  readonly field: string;
}

/** Values of one JSON message, known or not: every label has one, and what else a request has is little. */
export const MAX_JSON_VALUES = MAX_LABELS + 50_000;
/** How deep JSON may be nested. */
export const MAX_JSON_DEPTH = 100;
/** Fields at the top of one binary message, known or not. */
export const MAX_BINARY_FIELDS = 65_536;

const TOO_LARGE = ErrorReason.TRANSACTION_TOO_LARGE;
const segments = { max: LIMITS.maxTransactionSegments, noun: "segments", reason: TOO_LARGE, field: "appends" };
const spaces = { max: LIMITS.maxConsumeSpaces, noun: "spaces", reason: ErrorReason.INVALID_FIELD };

const TABLE: ReadonlyMap<DescField, ElementLimit> = new Map([
  [StreamService.method.append.input.field.appends, segments],
  [StreamService.method.produce.input.field.appends, segments],
  [
    SegmentAppendSchema.field.records,
    { max: LIMITS.maxTransactionRecords, noun: "records", reason: TOO_LARGE, field: "appends" },
  ],
  [RecordSchema.field.metadata, { max: MAX_LABELS, noun: "labels", reason: TOO_LARGE, field: "appends" }],
  [ConsumeRequestSchema.field.spaces, { ...spaces, field: "spaces" }],
  [CommitCursorRequestSchema.field.offsets, { ...spaces, field: "offsets" }],
] as [DescField, ElementLimit][]);

/** The limit of a field; undefined where the size of the message is limit enough. */
export function elementLimit(field: DescField): ElementLimit | undefined {
  return TABLE.get(field);
}

/** Counts the elements of one message as they are met. */
export class ElementCounts {
  readonly #counts = new Map<ElementLimit, number>();

  /** @throws ConnectError with the reason of the limit that is passed */
  add(limit: ElementLimit): void {
    const count = (this.#counts.get(limit) ?? 0) + 1;
    this.#counts.set(limit, count);
    if (count > limit.max) {
      throw refusal(
        limit.reason,
        `has more than ${limit.max} ${limit.noun}; at most ${limit.max} are allowed`,
        limit.field,
      );
    }
  }
}
