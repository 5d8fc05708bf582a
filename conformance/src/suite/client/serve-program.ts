import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ObservationSchema, OperationSchema } from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "./client-under-test.ts";
import { frame, unframe } from "./framing.ts";

/**
 * Serves a client under test as a program. Reads operations from `input` and writes observations to `output` until the
 * input ends.
 */
export async function serveProgram(
  make: (observe: Observer) => ClientUnderTest,
  input: AsyncIterable<Uint8Array>,
  output: { write(bytes: Uint8Array): unknown },
): Promise<void> {
  const observe: Observer = (observation) => void output.write(frame(toBinary(ObservationSchema, observation)));
  const client = make(observe);
  observe(create(ObservationSchema, { event: { case: "hello", value: client.hello } }));
  for await (const bytes of unframe(input)) client.perform(fromBinary(OperationSchema, bytes));
  await client.close();
}
