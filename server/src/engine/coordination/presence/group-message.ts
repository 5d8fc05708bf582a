import { create, toBinary } from "@bufbuild/protobuf";
import {
  type GroupState,
  type SubscribeToWorkersResponse,
  SubscribeToWorkersResponseSchema,
  type Worker,
  WorkerChangesSchema,
} from "@streamkit/protocol";
import { varintLength, WIRE_LENGTH, writeVarint } from "@streamkit/protocol/wire";
import { encodedWorker } from "./encoded-worker.ts";

/** A response of SubscribeToWorkers: one object for all its recipients. */
export interface GroupMessage {
  /** The message. Do not change it. */
  message(): SubscribeToWorkersResponse;
  /** Its binary encoding, in pieces. */
  encoded(): readonly Uint8Array[];
}

/** The number of the field `changes`, in SubscribeToWorkersResponse. */
const CHANGES_FIELD = 1;

export interface Changes {
  readonly snapshotStart: boolean;
  readonly workers: readonly Worker[];
  readonly left: readonly string[];
  readonly state: GroupState | undefined;
}

/** A message with workers that joined and left. It joins the existing encodings of the workers. */
export function changesMessage({ snapshotStart, workers, left, state }: Changes): GroupMessage {
  return {
    message: () =>
      create(SubscribeToWorkersResponseSchema, {
        event: {
          case: "changes",
          value: create(WorkerChangesSchema, { snapshotStart, workers: [...workers], left: [...left], state }),
        },
      }),
    encoded() {
      // The concatenated encodings of parts of a message are an encoding of the message.
      const rest = toBinary(
        WorkerChangesSchema,
        create(WorkerChangesSchema, { snapshotStart, left: [...left], state }),
      );
      const pieces = [...workers.map((worker) => encodedWorker(worker).element), rest];
      const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
      const head = Buffer.allocUnsafe(1 + varintLength(length));
      head[0] = (CHANGES_FIELD << 3) | WIRE_LENGTH;
      writeVarint(head, 1, length);
      return [head, ...pieces];
    },
  };
}

/** A message with the state of the group and nothing else. */
export function stateMessage(kind: "snapshotComplete" | "heartbeat", state: GroupState): GroupMessage {
  const message = create(SubscribeToWorkersResponseSchema, { event: { case: kind, value: state } });
  return { message: () => message, encoded: () => [toBinary(SubscribeToWorkersResponseSchema, message)] };
}
