import { RestError } from "@azure/data-tables";
import { ErrorReason } from "@streamkit/protocol";
import { describe, expect, it } from "vitest";
import { dataLoss, type ServerError } from "../../errors.ts";
import { withRetries } from "./read-retry.ts";
import { RequestTimeout } from "./storage-error.ts";

const limits = { attempts: 4, totalMillis: 10_000 };

describe("retries of reads", () => {
  it("wait longer each time, and return the first answer", async () => {
    const { result, waits } = await run([status(500), new RequestTimeout(), status(429), "answer"]);
    expect(result).toBe("answer");
    expect(waits).toEqual([75, 150, 300]);
  });

  it("wait as long as the server asks for", async () => {
    const { result, waits } = await run([status(503, "2"), status(429, "3"), "answer"]);
    expect(result).toBe("answer");
    expect(waits).toEqual([2_000, 3_000]);
  });

  it("stop after some attempts", async () => {
    const { error, waits } = await run([status(503), status(503), status(503), status(503), "answer"]);
    expect(error?.reason).toBe(ErrorReason.STORAGE_UNAVAILABLE);
    expect(error?.facts.retryAfterMillis).toBe(1_000);
    expect(waits.length).toBe(3);
  });

  it("leave a wait beyond the limit to the caller", async () => {
    const { error, waits } = await run([status(503, "8"), status(503, "8"), "answer"]);
    expect(waits).toEqual([8_000]);
    expect(error?.facts.retryAfterMillis).toBe(8_000);
  });

  it("are for transient failures only", async () => {
    for (const failure of [status(403), status(404), dataLoss("damaged"), new TypeError("a defect")]) {
      const { error, waits } = await run([failure, "answer"]);
      expect(waits).toEqual([]);
      expect(error).toBeInstanceOf(Error);
    }
  });
});

function status(statusCode: number, retryAfter?: string): RestError {
  const headers = { get: (name: string) => (name === "retry-after" ? retryAfter : undefined) };
  return new RestError("refused", { statusCode, response: { headers } as never });
}

async function run(answers: (Error | string)[]): Promise<{ result?: string; error?: ServerError; waits: number[] }> {
  let now = 0;
  const waits: number[] = [];
  const wait = async (millis: number) => {
    waits.push(millis);
    now += millis;
  };
  const send = async () => {
    const answer = answers.shift();
    if (typeof answer !== "string") throw answer;
    return answer;
  };
  try {
    return { result: await withRetries(limits, send, { now: () => now, random: () => 0.5, wait }), waits };
  } catch (error) {
    return { error: error as ServerError, waits };
  }
}
