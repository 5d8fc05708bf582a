import type { BusWeatherName } from "./bus/bus-weather.ts";
import type { InstanceDeviation } from "./deviations.ts";

/** How an instance is started. */
export interface InstanceSettings {
  /** 0 for a free one. */
  readonly port: number;
  readonly connectionString: string;
  /** Port of the hub that carries the bus. */
  readonly hub: number;
  readonly pollMillis: number;
  readonly requestTimeoutMillis: number;
  /** For the chances of its bus. */
  readonly seed: number;
  readonly clockMillis: number;
  readonly weather: BusWeatherName;
  /** What is broken about it, on purpose. */
  readonly deviation?: InstanceDeviation;
}

/** What the parent tells an instance. */
export type Control =
  | { readonly set: "clock"; readonly offsetMillis: number }
  | { readonly set: "weather"; readonly name: BusWeatherName };

/** What an instance tells its parent. */
export type Report =
  | { readonly is: "listening"; readonly url: string }
  /** Did what it was told last. */
  | { readonly is: "done" }
  /** Background work failed, or the server has a defect. */
  | { readonly is: "failure"; readonly what: string; readonly reason: string; readonly message: string };
