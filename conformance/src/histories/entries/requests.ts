import { create } from "@bufbuild/protobuf";
import {
  type AppendRequest,
  AppendRequestSchema,
  ConsumeSegmentRequestSchema,
  ConsumeSpaceRequestSchema,
  GetSegmentStatusRequestSchema,
  PeekRequestSchema,
  TrimSegmentRequestSchema,
} from "@streamkit/protocol";
import { type Request, RequestSchema } from "@streamkit/protocol/conformance";
import type { AppendedPart } from "./event.ts";

/** Builds the requests of a workload, all for one store. */
export class Requests {
  readonly #storeId: string;

  constructor(storeId: string) {
    this.#storeId = storeId;
  }

  append(space: string, transactionId: string, parts: readonly AppendedPart[]): AppendRequest {
    return create(AppendRequestSchema, {
      storeId: this.#storeId,
      space,
      transactionId,
      appends: parts.map(({ segment, payloads, expected }) => ({
        segment,
        records: payloads.map((payload) => ({ payload: Buffer.from(payload) })),
        ...(expected === undefined ? {} : { expectedLastSequence: BigInt(expected) }),
      })),
    });
  }

  /** @param segment undefined for the whole space */
  read(space: string, segment: string | undefined, from: number, follow: boolean): Request {
    const common = { storeId: this.#storeId, space, follow };
    const position = BigInt(from);
    if (segment === undefined) {
      const value = create(ConsumeSpaceRequestSchema, { ...common, minOffset: position });
      return requestOf({ case: "consumeSpace", value });
    }
    const value = create(ConsumeSegmentRequestSchema, { ...common, segment, minSequence: position });
    return requestOf({ case: "consumeSegment", value });
  }

  peek(space: string, segment: string): Request {
    return requestOf({ case: "peek", value: create(PeekRequestSchema, { storeId: this.#storeId, space, segment }) });
  }

  status(space: string, segment: string): Request {
    const value = create(GetSegmentStatusRequestSchema, { storeId: this.#storeId, space, segment });
    return requestOf({ case: "getSegmentStatus", value });
  }

  trim(space: string, segment: string, before: number): Request {
    const names = { storeId: this.#storeId, space, segment };
    const value = create(TrimSegmentRequestSchema, { ...names, beforeSequence: BigInt(before) });
    return requestOf({ case: "trimSegment", value });
  }
}

export function requestOf(message: Request["message"]): Request {
  return create(RequestSchema, { message });
}
