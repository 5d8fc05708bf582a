import { randomUUID } from "node:crypto";
import type { TestRunner } from "../../storage/contract/suite.ts";
import type { Bus } from "../port.ts";

export interface BusContractOptions {
  /** Name of the bus, for the report. */
  readonly name: string;
  readonly runner: TestRunner;
  /**
   * Makes one bus, as each process of a deployment does. All buses share one place. The suite calls this several times
   * per test.
   */
  makeBus(): Bus | Promise<Bus>;
  /** Longest time for a message to arrive or a connection to open, in milliseconds. Default: 10,000. */
  readonly patienceMillis?: number;
}

/** Arguments of a test: two buses that stand for two processes. The suite closes them. */
interface BusContractContext {
  readonly bus: Bus;
  readonly other: Bus;
  readonly patienceMillis: number;
  /** Makes another bus on the same place. The suite closes it. */
  makeBus(): Promise<Bus>;
}

export interface BusContractTests {
  describe(name: string, declare: () => void): void;
  it(name: string, run: (context: BusContractContext) => Promise<void>): void;
}

export function busContractTests(options: BusContractOptions): BusContractTests {
  const { describe, it } = options.runner;
  return {
    describe: (name, declare) => {
      describe(name, declare);
    },
    it: (name, run) => {
      it(name, () => withBuses(options, run));
    },
  };
}

async function withBuses(
  options: BusContractOptions,
  run: (context: BusContractContext) => Promise<void>,
): Promise<void> {
  const buses: Bus[] = [];
  const makeBus = async () => {
    const bus = await options.makeBus();
    buses.push(bus);
    return bus;
  };
  try {
    const patienceMillis = options.patienceMillis ?? 10_000;
    await run({ bus: await makeBus(), other: await makeBus(), patienceMillis, makeBus });
  } finally {
    await Promise.all(buses.map((bus) => bus.close()));
  }
}

/** A topic for this test alone. Other tests may use the same place. */
export function newTopic(): string {
  return `contract-${randomUUID()}`;
}
