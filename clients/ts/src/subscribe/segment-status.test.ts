import { expect, it } from "vitest";
import { callBack, type StatusEvent } from "./segment-status.ts";
import { Subscription } from "./subscription.ts";

it("a subscription whose handler throws has failed, and says why", async () => {
  const source = {
    heartbeatMillis: 15_000,
    isLive: (event: StatusEvent) => event.kind === "live",
    async *open(): AsyncGenerator<StatusEvent> {
      yield { kind: "snapshot" };
      yield { kind: "live" };
    },
  };
  const bug = new Error("bug of the caller");
  const onLive = () => {
    throw bug;
  };
  const watch = callBack(new Subscription(source, { retry: {}, onRetry: undefined }, {}), {
    onStatus: () => {},
    onLive,
  });
  await expect(watch.ended).rejects.toMatchObject({ reason: "UNKNOWN", cause: bug });
  expect(watch.state).toMatchObject({ name: "ended", reason: { cause: bug } });
});
