import { create } from "@bufbuild/protobuf";
import { DurationSchema } from "@bufbuild/protobuf/wkt";
import { expect, it } from "vitest";
import { tooSoon } from "./step.ts";

const notBefore = create(DurationSchema, { nanos: 300_000_000 });

/** Returns the difference of a step that ends now, `millis` milliseconds after the start of the previous step. */
const endedAfter = (millis: number) => {
  const now = performance.now();
  return tooSoon({ notBefore }, { begun: [now - millis, now] });
};

it("lets a step end as early as a timer of whole milliseconds may", () => {
  expect(endedAfter(298.5)).toBeUndefined();
});

it("refuses a step that ended earlier than that", () => {
  expect(endedAfter(290)).toMatch(/^the expectation held after 29\d\.\d ms, expected not before 300 ms$/);
});
