import type { MessageInitShape } from "@bufbuild/protobuf";
import { ErrorReason, LIMITS, type ProduceResponseSchema } from "@streamkit/protocol";
import type { OpaqueAppendRequest } from "@streamkit/protocol/wire";
import type { Principal } from "../access/principal.ts";
import type { AppendResult } from "../engine/append/append-mutation.ts";
import { type AppendTransaction, checkTransaction } from "../engine/append/apply-append.ts";
import { ElementBudget, parseSegmentAppend, type SegmentAppend } from "../engine/append/segment-append.ts";
import { checkName, checkUuid } from "../engine/names.ts";
import { markedId, uuidOf } from "../engine/rows/transaction-id.ts";
import { ServerError } from "../errors.ts";
import { checkAll, checkEach } from "./checks.ts";
import { timestampFromMicros } from "./times.ts";

/** The fields of AppendResponse, which are also those of ProduceResponse. */
export type ResultFields = Omit<MessageInitShape<typeof ProduceResponseSchema>, "$typeName">;

/**
 * Checks the parts of an append that do not depend on the store.
 *
 * @param principal the caller, if the server knows it
 * @throws ServerError INVALID_FIELD, RECORD_TOO_LARGE or TRANSACTION_TOO_LARGE
 */
export function toTransaction(
  request: OpaqueAppendRequest,
  principal: Principal | undefined,
): { space: string; transaction: AppendTransaction } {
  const repeatable = request.transactionId !== "";
  const { space, id, appends } = checkAll({
    space: () => checkName(request.space, "space"),
    appends: () => toAppends(request),
    id: () => (repeatable ? toId(request.transactionId, principal) : crypto.randomUUID()),
  });
  return { space, transaction: { id, repeatable, appends } };
}

/** The ids of a principal are its own: the same id of another principal names another transaction. */
function toId(transactionId: string, principal: Principal | undefined): string {
  const uuid = checkUuid(transactionId, "transaction_id");
  return principal === undefined ? uuid : markedId(uuid, principal.subject);
}

function toAppends(request: OpaqueAppendRequest): SegmentAppend[] {
  if (request.appends.length > LIMITS.maxTransactionSegments) {
    throw new ServerError(
      ErrorReason.TRANSACTION_TOO_LARGE,
      `${request.appends.length} segments in one transaction; at most ${LIMITS.maxTransactionSegments} are allowed`,
      { fieldViolations: [{ field: "appends", description: `has ${request.appends.length} segments` }] },
    );
  }
  const budget = new ElementBudget();
  const appends = checkEach(request.appends, (bytes, index) => parseSegmentAppend(bytes, `appends[${index}]`, budget));
  checkTransaction(appends);
  return appends;
}

export function toResponse(result: AppendResult): ResultFields {
  return {
    transaction: { id: uuidOf(result.id), number: BigInt(result.number) },
    commitTime: timestampFromMicros(result.commitTimeMicros),
    ranges: result.ranges.map((range) => ({
      segment: range.segment,
      firstSequence: BigInt(range.firstSequence),
      lastSequence: BigInt(range.lastSequence),
      firstOffset: BigInt(range.firstOffset),
    })),
    deduplicated: result.deduplicated,
  };
}
