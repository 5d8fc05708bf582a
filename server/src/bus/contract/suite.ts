import { randomUUID } from "node:crypto";
import type { TestRunner } from "../../storage/contract/suite.ts";
import type { Bus } from "../port.ts";

export interface BusContractOptions {
  /** Name of the bus, for the report. */
  readonly name: string;
  readonly runner: TestRunner;
  /**
   * Makes a bus, as each process of a deployment does: all of them meet in one place. Called several times per test.
   */
  makeBus(): Bus | Promise<Bus>;
  /** How long a message, or a connection, may take, in milliseconds. Default: 10,000. */
  readonly patienceMillis?: number;
}

/** What a test works with: two buses, as of two processes, closed by the suite. */
interface BusContractContext {
  readonly bus: Bus;
  readonly other: Bus;
  readonly patienceMillis: number;
  /** Another bus on the same place; closed by the suite. */
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

/** A topic of this test alone: others may use the same place. */
export function newTopic(): string {
  return `contract-${randomUUID()}`;
}
