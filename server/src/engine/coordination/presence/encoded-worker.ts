import { toBinary } from "@bufbuild/protobuf";
import { type Worker, WorkerSchema } from "@streamkit/protocol";
import { varintLength, WIRE_LENGTH, writeVarint } from "@streamkit/protocol/wire";

/** The number of the field `workers`, in WorkerChanges. */
const WORKERS_FIELD = 2;

interface Encoded {
  /** The worker as an element of the field `workers` of WorkerChanges: tag, length, message. */
  readonly element: Uint8Array;
  /** Size of the message alone, as Limits.max_group_bytes counts it. */
  readonly bytes: number;
}

const known = new WeakMap<Worker, Encoded>();

/** The encoding of a worker, made once for all messages and subscribers. The worker must not change afterwards. */
export function encodedWorker(worker: Worker): Encoded {
  let encoded = known.get(worker);
  if (encoded === undefined) {
    encoded = encode(worker);
    known.set(worker, encoded);
  }
  return encoded;
}

function encode(worker: Worker): Encoded {
  const message = toBinary(WorkerSchema, worker);
  const element = Buffer.allocUnsafeSlow(1 + varintLength(message.length) + message.length);
  element[0] = (WORKERS_FIELD << 3) | WIRE_LENGTH;
  element.set(message, writeVarint(element, 1, message.length));
  return { element, bytes: message.length };
}
