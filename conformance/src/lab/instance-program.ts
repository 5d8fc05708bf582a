/**
 * A server instance as a process of its own, for tests. It works like bin.ts, but has an adjustable clock, a short poll
 * interval and a faulty bus. Settings come as JSON on the command line, orders over IPC (settings.ts).
 */
import { ErrorReason } from "@streamkit/protocol";
import { createStreamkit, ServerError } from "@streamkit/server";
import { azureStorage } from "@streamkit/server/azure";
import { BUS_WEATHER } from "./bus/bus-weather.ts";
import { FaultyBus } from "./bus/faulty-bus.ts";
import { HubBus } from "./bus/hub-bus.ts";
import { deviate } from "./instance-faults.ts";
import type { Control, InstanceSettings, Report } from "./settings.ts";
import { setWallClock } from "./wall-clock.ts";

const settings = JSON.parse(process.argv[2]) as InstanceSettings;
const { port, connectionString, pollMillis, requestTimeoutMillis } = settings;
const report = (what: Report): void => void process.send?.(what);

// Ends with the process that started it.
process.once("disconnect", () => process.exit(0));

setWallClock(settings.clockMillis);
const bus = new FaultyBus(new HubBus(settings.hub), BUS_WEATHER[settings.weather], settings.seed);
process.on("message", (control: Control) => {
  if (control.set === "clock") setWallClock(control.offsetMillis);
  else bus.weather = BUS_WEATHER[control.name];
  report({ is: "done" });
});

const streamkit = createStreamkit(
  deviate(
    {
      storage: azureStorage({ connectionString }, { requestTimeoutMillis, readRetryMillis: 3_000 }),
      bus,
      pollMillis,
      onEvent: ({ kind, message: what, cause }) => {
        // Callers see all other failures. These histories cause faults of storage and of the bus on purpose.
        if (kind !== "background-failed" && kind !== "internal-error" && kind !== "data-loss") return;
        const reason =
          kind === "data-loss" ? "DATA_LOSS" : cause instanceof ServerError ? ErrorReason[cause.reason] : "INTERNAL";
        report({ is: "failure", what, reason, message: cause instanceof Error ? (cause.stack ?? "") : String(cause) });
      },
    },
    settings.deviation,
  ),
);
const { url } = await streamkit.listen({ host: "127.0.0.1", port });
report({ is: "listening", url });
