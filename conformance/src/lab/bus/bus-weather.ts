/** What a bus does to its messages. Chances are from 0 to 1, per message and listener. */
export interface BusWeather {
  readonly lose: number;
  readonly repeat: number;
  /** Messages arrive up to this much later, each by itself, in milliseconds: so they overtake each other. */
  readonly delayMillis: number;
  /** How often a listener gets a message that nobody sent, in milliseconds; 0 for never. */
  readonly forgeMillis: number;
  /** Nothing gets through. */
  readonly dead: boolean;
}

const FAIR: BusWeather = { lose: 0, repeat: 0, delayMillis: 0, forgeMillis: 0, dead: false };

/** Kinds of weather, by name (fault 19). */
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
