/** Longest wait of a timer, in milliseconds: 24.8 days. */
const LONGEST_MILLIS = 2 ** 31 - 1;

const MILLIS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1 };

/**
 * Shortens deadlines over 24.8 days to the longest wait of a timer; Node would otherwise end such a call at once.
 * Malformed deadlines stay unchanged: Connect refuses them.
 */
export function clampDeadline(header: Headers): void {
  const connect = header.get("connect-timeout-ms");
  if (connect !== null && /^\d{1,10}$/.test(connect) && Number(connect) > LONGEST_MILLIS) {
    header.set("connect-timeout-ms", String(LONGEST_MILLIS));
  }
  const grpc = /^(\d{1,8})([HMSm])$/.exec(header.get("grpc-timeout") ?? "");
  if (grpc !== null && Number(grpc[1]) * MILLIS[grpc[2]] > LONGEST_MILLIS) {
    header.set("grpc-timeout", `${Math.floor(LONGEST_MILLIS / MILLIS.S)}S`);
  }
}
