import { create, type DescMessage, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type AppendRequest,
  type ConsumeSegmentRequest,
  ErrorDetailSchema,
  type GetServerInfoResponse,
  type ListSegmentsRequest,
  type ListSegmentsResponse,
  type TrimSegmentRequest,
  type TrimSegmentResponse,
} from "@streamkit/protocol";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

function bend(where: Deviation["where"], name: string, wrong: string, bends: Bends): Deviation {
  return { name, wrong, where, transport: (next) => bentTransport(next, bends) };
}

/** Answers a call with an empty message. The server receives a harmless call instead. */
function swallowed(name: string): NonNullable<Bends["instead"]> {
  return (rpc, message, output: DescMessage) => {
    if (rpc !== name) return undefined;
    // The server receives the name of an unused space.
    if ("space" in message) message.space = "conformance-swallowed";
    return create(output) as Message;
  };
}

/** Changes every name in a request. */
function renamed(change: (name: string) => string): Bends {
  return {
    request(_, message) {
      const named = message as Message & Partial<Pick<ConsumeSegmentRequest, "segment">>;
      if (typeof named.segment === "string") named.segment = change(named.segment);
      if ("appends" in message) {
        for (const each of (message as AppendRequest).appends) each.segment = change(each.segment);
      }
    },
  };
}

/** Servers with faults in lists, trims, deletions, isolation and errors. */
export const ADMIN_DEVIATIONS: readonly Deviation[] = [
  bend("admin", "ignored-store", "keeps all stores in one", {
    request(_, message) {
      if ("storeId" in message && String(message.storeId).length === 36) {
        message.storeId = "00000000-0000-4000-8000-000000000001";
      }
    },
  }),
  bend("admin", "ignored-space", "keeps all spaces of a store in one", {
    request(_, message) {
      if ("space" in message && message.space !== "") message.space = "the-space";
    },
  }),
  bend("admin", "trims-one-more", "removes the entry before_sequence too", {
    request(rpc, message) {
      if (rpc === "TrimSegment") (message as TrimSegmentRequest).beforeSequence += 1n;
    },
  }),
  bend("admin", "trims-nothing", "acknowledges a trim and keeps everything", {
    request(rpc, message) {
      if (rpc === "TrimSegment" && (message as TrimSegmentRequest).beforeSequence > 0n)
        (message as TrimSegmentRequest).beforeSequence = 1n;
    },
  }),
  bend("admin", "stale-trim-status", "returns a status without first sequence after a trim", {
    response(rpc, message) {
      const status = rpc === "TrimSegment" ? (message as TrimSegmentResponse).status : undefined;
      if (status !== undefined && status.firstSequence > 1n) status.firstSequence = 1n;
    },
  }),
  bend("admin", "swallowed-delete-segment", "acknowledges DeleteSegment and does nothing", {
    instead: swallowed("DeleteSegment"),
  }),
  bend("admin", "swallowed-delete-space", "acknowledges DeleteSpace and does nothing", {
    instead: swallowed("DeleteSpace"),
  }),
  bend("admin", "lost-page-item", "loses the first item of every later page", {
    response(rpc, message, request) {
      if (rpc === "ListSegments" && (request as ListSegmentsRequest).pageToken !== "")
        (message as ListSegmentsResponse).segments.shift();
    },
  }),
  bend("admin", "unsorted-list", "lists segments by the language's order of strings", {
    response(rpc, message) {
      if (rpc === "ListSegments")
        (message as ListSegmentsResponse).segments.sort((a, b) => a.segment.localeCompare(b.segment));
    },
  }),
  bend("admin", "wrong-limits", "reports wrong limits", {
    response(rpc, message) {
      const limits = rpc === "GetServerInfo" ? (message as GetServerInfoResponse).limits : undefined;
      if (limits !== undefined) limits.maxTransactionRecords = 10_000;
    },
  }),
  bend("admin", "untold-sizes", "omits the size of its largest response", {
    response(rpc, message) {
      const limits = rpc === "GetServerInfo" ? (message as GetServerInfoResponse).limits : undefined;
      if (limits !== undefined) limits.maxResponseBytes = 0;
    },
  }),
  bend("admin", "untold-budgets", "omits the budgets of a connection", {
    response(rpc, message) {
      if (rpc === "GetServerInfo") delete (message as GetServerInfoResponse).budgets;
    },
  }),
  bend(
    "admin",
    "normalised-names",
    "brings names into Unicode normal form",
    renamed((name) => name.normalize("NFC")),
  ),
  bend(
    "admin",
    "folded-names",
    "treats names without regard to case",
    renamed((name) => name.toLowerCase()),
  ),
  bend(
    "admin",
    "trimmed-names",
    "trims blanks around names",
    renamed((name) => name.trim()),
  ),
  bend("error", "lost-error-details", "sends errors without their details", {
    failure: (error) => new ConnectError(error.rawMessage, error.code),
  }),
  bend("error", "first-violation-only", "names only one of several invalid fields", {
    failure: (error) => {
      const [detail] = error.findDetails(ErrorDetailSchema);
      if (detail === undefined) return error;
      const value = { ...detail, fieldViolations: detail.fieldViolations.slice(0, 1) };
      return new ConnectError(error.rawMessage, error.code, undefined, [{ desc: ErrorDetailSchema, value }]);
    },
  }),
  bend("error", "everything-internal", "reports every failure as internal", {
    failure: (error) => {
      const changed = new ConnectError(error.rawMessage, Code.Internal);
      changed.details.push(...error.details);
      return changed;
    },
  }),
  bend("error", "doubled-error-detail", "attaches the error detail twice", {
    failure: (error) => {
      error.details.push(...error.details);
      return error;
    },
  }),
];
