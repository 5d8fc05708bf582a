import { expect, test } from "vitest";
import { ModelService } from "../test/model-service.ts";
import { createStreamkitClient, describeTransport } from "./index.ts";

const STORE = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff";
const text = (value: string) => new TextEncoder().encode(value);

for (const format of ["binary", "json"] as const) {
  for (const duplex of [true, false]) {
    test(`appends, produces and consumes (${format}, ${duplex ? "duplex" : "unary"})`, async () => {
      const model = new ModelService();
      const transport = describeTransport(model.transport(), { format, duplex });
      const segment = createStreamkitClient({ transport }).store(STORE).space("s").segment("a");

      const first = await segment.publish(text("one"));
      expect(first).toMatchObject({ firstSequence: 1, lastSequence: 1, firstOffset: 1, deduplicated: false });
      expect(first.commitTimeMicros).toBe(1_700_000_001_123_456);

      const source = Array.from({ length: 2_500 }, (_, i) => text(`r${i}`));
      const summary = await segment.produce(source);
      expect(summary).toMatchObject({ records: 2_500, transactions: 3, firstSequence: 2, lastSequence: 2_501 });

      const seen: string[] = [];
      for await (const entry of segment.consume()) {
        expect(entry.sequence).toBe(seen.length + 1);
        seen.push(new TextDecoder().decode(entry.payload));
      }
      expect(seen).toEqual(["one", ...source.map((record) => new TextDecoder().decode(record))]);
    });
  }
}
