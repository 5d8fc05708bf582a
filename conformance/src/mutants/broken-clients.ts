import { ConnectError } from "@connectrpc/connect";
import type { ReadSegmentRequest, ReadSegmentResponse, ReadSpaceRequest, ReadSpaceResponse } from "@streamkit/protocol";
import type { Failure, Observation } from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "../suite/client/client-under-test.ts";
import { ConnectClient } from "../suite/client/connect-client.ts";
import { SdkClient } from "../suite/client/sdk-client.ts";
import type { SdkTransportOpener } from "../suite/client/sdk-transports.ts";
import type { TransportOpener } from "../suite/client/transports.ts";
import { batchesOf } from "../suite/expect/observed.ts";
import { type Bends, bentTransport, type ReadRequest } from "./bent-transport.ts";

type PageRequest = ReadSegmentRequest | ReadSpaceRequest;

/** A client with one fault. It runs in Node.js and in pages. */
export interface BrokenClient {
  readonly name: string;
  readonly wrong: string;
  readonly make: (observe: Observer, open: TransportOpener) => ClientUnderTest;
}

/** Opens transports with changed calls. */
function bent(open: TransportOpener, bends: Bends): TransportOpener {
  return (connect) => {
    const { transport, close } = open(connect);
    return { transport: bentTransport(transport, bends), close };
  };
}

/** Opens transports of the SDK with changed calls. */
function sdkOpener(open: TransportOpener, bends: Bends): SdkTransportOpener {
  const openBent = bent(open, bends);
  return (connect) => {
    const { transport, close } = openBent(connect);
    return { options: { transport }, close };
  };
}

/** The Connect client with changed observations. An empty result drops an observation; several repeat it. */
function seeing(name: string, wrong: string, change: (observation: Observation) => Observation[]): BrokenClient {
  const make: BrokenClient["make"] = (observe, open) =>
    new ConnectClient((observation) => {
      for (const each of change(observation)) observe(each);
    }, open);
  return { name, wrong, make };
}

/** The Connect client with changed requests. */
function sending(name: string, wrong: string, bends: Bends): BrokenClient {
  return {
    name,
    wrong,
    make: (observe, open) => new ConnectClient(observe, bent(open, bends)),
  };
}

/** The SDK, which resumes by itself over a transport that changes the request after a broken read. */
function resuming(name: string, wrong: string, bend: (request: ReadRequest) => void): BrokenClient {
  return {
    name,
    wrong,
    make(observe, open) {
      let broken = false;
      const bends: Bends = {
        read(request) {
          if (broken) bend(request);
        },
        failure(error) {
          broken ||= ConnectError.from(error).rawMessage !== "";
          return error;
        },
      };
      return new SdkClient(observe, sdkOpener(open, bends));
    },
  };
}

/** The SDK with long polling. `bend` changes the request for a page behind one whose start had been trimmed. */
function polling(name: string, wrong: string, bend: (request: PageRequest) => void): BrokenClient {
  return {
    name,
    wrong,
    make(observe, open) {
      const trimmed = new Set<string>();
      const keyOf = (rpc: string, { space }: PageRequest): string => `${rpc} ${space}`;
      const bends: Bends = {
        request(rpc, message) {
          const request = message as PageRequest;
          if (trimmed.delete(keyOf(rpc, request))) bend(request);
        },
        response(rpc, message, request) {
          if (rpc !== "ReadSegment" && rpc !== "ReadSpace") return;
          const page = message as ReadSegmentResponse | ReadSpaceResponse;
          const asked = request as PageRequest;
          const from = "minSequence" in asked ? asked.minSequence : asked.minOffset;
          const next = "nextSequence" in page ? page.nextSequence : page.nextOffset;
          const entries = page.batches.reduce((sum, { records }) => sum + records.length, 0);
          if (from > 0n && next - from > entries) trimmed.add(keyOf(rpc, asked));
        },
      };
      return new SdkClient(observe, sdkOpener(open, bends), { longPolling: "always" });
    },
  };
}

function batches(observation: Observation): ReturnType<typeof batchesOf> {
  return observation.event.case === "response" ? batchesOf(observation.event.value.message) : [];
}

function withFailure(observation: Observation, change: (failure: Failure) => void): Observation[] {
  if (observation.event.case === "end" && observation.event.value.failure !== undefined) {
    change(observation.event.value.failure);
  }
  return [observation];
}

/**
 * Sound clients, built in the same way as the broken ones. A case that fails with them proves nothing about broken
 * ones.
 */
export const SOUND_CLIENTS: readonly BrokenClient[] = [
  sending("connect, unbent", "nothing", {}),
  resuming("sdk, unbent", "nothing", () => {}),
  polling("sdk-polling, unbent", "nothing", () => {}),
];

/** Every broken client. */
export const BROKEN_CLIENTS: readonly BrokenClient[] = [
  seeing("delivers-twice", "delivers every response with entries twice", (observation) =>
    batches(observation).length > 0 ? [observation, observation] : [observation],
  ),
  seeing("loses-last-entry", "drops the last entry of every batch", (observation) => {
    for (const batch of batches(observation)) if (batch.records.length > 1) batch.records.pop();
    return [observation];
  }),
  seeing("reorders", "delivers the batches of a response backwards", (observation) => {
    const event = observation.event;
    if (event.case === "response" && batches(observation).length > 1) {
      const message = event.value.message;
      if (message.case === "consumeSegment" || message.case === "consumeSpace") message.value.batches.reverse();
    }
    return [observation];
  }),
  seeing("ignores-errors", "treats every failure as success", (observation) => {
    if (observation.event.case === "end") delete observation.event.value.failure;
    return [observation];
  }),
  seeing("loses-details", "reports errors without their details", (observation) =>
    withFailure(observation, (failure) => {
      failure.details = [];
    }),
  ),
  seeing("one-code", "reports every failure as UNKNOWN", (observation) =>
    withFailure(observation, (failure) => {
      failure.code = "UNKNOWN";
    }),
  ),
  seeing("text-payloads", "delivers payloads as text", (observation) => {
    for (const batch of batches(observation)) {
      for (const record of batch.records)
        record.payload = new TextEncoder().encode(new TextDecoder().decode(record.payload));
    }
    return [observation];
  }),
  seeing("never-ends", "does not notice that a stream has ended", (observation) =>
    observation.event.case === "end" && observation.event.value.failure === undefined ? [] : [observation],
  ),
  sending("fresh-transaction-ids", "sends a retry with a new transaction id", {
    append(request) {
      request.transactionId = "";
      return undefined;
    },
  }),
  sending("forgets-expectation", "does not send expected_last_sequence", {
    append(request) {
      for (const each of request.appends) if (each.records.length > 0) delete each.expectedLastSequence;
      return undefined;
    },
  }),
  sending("forgets-limit", "does not send the limit of a read", {
    read(request) {
      request.limit = 0n;
    },
  }),
  resuming("skips-after-reconnect", "continues one entry too late after a broken read", (request) => {
    if ("minSequence" in request && request.minSequence > 0n) request.minSequence += 1n;
    if ("minOffset" in request && request.minOffset > 0n) request.minOffset += 1n;
  }),
  polling(
    "polls-beyond-trim",
    "asks for the next page one entry too late if a trim has removed the start of a page",
    (request) => {
      if ("minSequence" in request) request.minSequence += 1n;
      else request.minOffset += 1n;
    },
  ),
  seeing("ends-quietly", "treats a stream that a failure ended as complete", (observation) => {
    const { event } = observation;
    if (event.case === "end" && ["NOT_FOUND", "UNAVAILABLE"].includes(event.value.failure?.code ?? "")) {
      delete event.value.failure;
    }
    return [observation];
  }),
];
