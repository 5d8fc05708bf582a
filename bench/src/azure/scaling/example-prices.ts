/**
 * ASSUMED prices, in some currency. They are round numbers, made up on 2026-11-24, so that the tables can show how
 * costs arise, not how high they are. Replace them with the prices of your region and redundancy (azure.microsoft.com,
 * "Azure Table Storage pricing") and run `npm run bench -- W9` again.
 */
export const EXAMPLE_PRICES = {
  date: "2026-11-24",
  /** For 10,000 transactions that write. */
  perTenThousandWrites: 0.001,
  /** For 10,000 point reads or queries. */
  perTenThousandReads: 0.001,
  /** For a gigabyte (10^9 bytes) stored for a month. */
  perGigabyteMonth: 0.05,
} as const;

/** Prices as the formulas need them. */
export type Prices = { readonly [name in Exclude<keyof typeof EXAMPLE_PRICES, "date">]: number };
