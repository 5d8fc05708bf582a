import type { BusWeatherName } from "./bus/bus-weather.ts";
import type { InstanceDeviation } from "./instance-faults.ts";

/** Settings of an instance. */
export interface InstanceSettings {
  /** TCP port; 0 for a free one. */
  readonly port: number;
  readonly connectionString: string;
  /** Port of the hub that carries the bus. */
  readonly hub: number;
  readonly pollMillis: number;
  readonly requestTimeoutMillis: number;
  /** Seed for the chances of the bus. */
  readonly seed: number;
  readonly clockMillis: number;
  readonly weather: BusWeatherName;
  /** Deliberate fault of the instance. */
  readonly deviation?: InstanceDeviation;
}

/** Orders of the parent to an instance. */
export type Control =
  | { readonly set: "clock"; readonly offsetMillis: number }
  | { readonly set: "weather"; readonly name: BusWeatherName };

/** Reports of an instance to its parent. */
export type Report =
  | { readonly is: "listening"; readonly url: string }
  /** The instance has carried out its oldest open order. */
  | { readonly is: "done" }
  /** Background work failed, or the server has a defect. */
  | { readonly is: "failure"; readonly what: string; readonly reason: string; readonly message: string };
