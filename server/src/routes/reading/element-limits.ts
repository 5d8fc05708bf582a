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

/** Limit of the elements in all lists or maps of one field in one message. */
export interface ElementLimit {
  readonly max: number;
  /** Name of the elements, in the plural. */
  readonly noun: string;
  readonly reason: ErrorReason;
  /** Field that the error names. */
  readonly field: string;
}

/**
 * Most values in one JSON message, in known and unknown fields. Every label is a value; the other parts of a request
 * have few.
 */
export const MAX_JSON_VALUES = MAX_LABELS + 50_000;
/** Deepest nesting of JSON. */
export const MAX_JSON_DEPTH = 100;
/** Most fields at the top of one binary message, known and unknown. */
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

/** Returns the limit of a field; undefined if the size of the message is limit enough. */
export function elementLimit(field: DescField): ElementLimit | undefined {
  return TABLE.get(field);
}

/** Counts the elements of one message while a scan reads it. */
export class ElementCounts {
  readonly #counts = new Map<ElementLimit, number>();

  /** @throws ConnectError with the reason of the limit, once it is exceeded */
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
