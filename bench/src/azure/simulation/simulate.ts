import { SimulatedInstance, type World } from "./instance.ts";
import { Processors } from "./processors.ts";
import { Random } from "./random.ts";
import { Recorder } from "./recorder.ts";
import type { Outcome, Scenario } from "./scenario.ts";
import { TableService } from "./table-service.ts";
import { Timeline } from "./timeline.ts";

/** Simulates instances that write spaces on a table service. A scenario has the same outcome on every machine. */
export function simulate(scenario: Scenario): Outcome {
  const { seed, instances, spaces, storage, warmUpMillis, millis } = scenario;
  const processors = scenario.processors === 0 ? undefined : new Processors(scenario.processors);
  const timeline = new Timeline();
  const random = new Random(seed);
  const recorder = new Recorder(scenario);
  const service = new TableService(timeline, storage, random, spaces === "one" ? 1 : instances);
  const world: World = { scenario, timeline, service, random, recorder, processors };
  for (let index = 0; index < instances; index++) new SimulatedInstance(world, index).start();
  timeline.runUntil(warmUpMillis + millis);
  return recorder.outcome();
}
