import { describe, expect, it } from "vitest";
import { payloads } from "./payloads.ts";
import { ReadCheck } from "./read-check.ts";

function checkOf(entries: Iterable<Uint8Array>): ReadCheck {
  const check = new ReadCheck();
  for (const entry of entries) check.see(entry);
  return check;
}

describe("ReadCheck", () => {
  it("accepts the written entries", () => {
    expect(() => checkOf(payloads(5_000)).expect(5_000)).not.toThrow();
  });

  it("fails a run that read nothing, or should read nothing", () => {
    expect(() => checkOf([]).expect(10)).toThrow("read 0 entries");
    expect(() => checkOf([]).expect(0)).toThrow("measures nothing");
  });

  it("fails a run that read too little or too much", () => {
    expect(() => checkOf(payloads(9)).expect(10)).toThrow("read 9 entries");
    expect(() => checkOf(payloads(11)).expect(10)).toThrow("read 11 entries");
  });

  it("fails a run that read something else", () => {
    expect(() => checkOf(payloads(10, 1)).expect(10)).toThrow("first entry");
    expect(() => checkOf([...payloads(9), ...payloads(1)]).expect(10)).toThrow("last entry");
    const cut = [...payloads(10)];
    cut[4] = cut[4].subarray(1);
    expect(() => checkOf(cut).expect(10)).toThrow("payload bytes");
  });
});
