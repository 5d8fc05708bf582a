/** The faults of a bus. Chances are from 0 to 1, per message and listener. */
export interface BusWeather {
  readonly lose: number;
  readonly repeat: number;
  /** Longest delay of a message in milliseconds. Delays are random, so messages overtake each other. */
  readonly delayMillis: number;
  /** Interval at which a listener receives a forged message, in milliseconds; 0 for never. */
  readonly forgeMillis: number;
  /** True if no message arrives. */
  readonly dead: boolean;
}

const FAIR: BusWeather = { lose: 0, repeat: 0, delayMillis: 0, forgeMillis: 0, dead: false };

/** Kinds of weather by name (fault 19). */
export const BUS_WEATHER = {
  fair: FAIR,
  lossy: { ...FAIR, lose: 0.5 },
  repeating: { ...FAIR, repeat: 0.5, delayMillis: 50 },
  reordering: { ...FAIR, delayMillis: 100 },
  late: { ...FAIR, delayMillis: 1_500 },
  forging: { ...FAIR, forgeMillis: 30 },
  wild: { lose: 0.3, repeat: 0.3, delayMillis: 300, forgeMillis: 100, dead: false },
  dead: { ...FAIR, dead: true },
} as const satisfies Record<string, BusWeather>;

export type BusWeatherName = keyof typeof BUS_WEATHER;
