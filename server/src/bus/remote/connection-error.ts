/**
 * The error to report for a connection that could not be made or has ended.
 *
 * The error of a client library does not become the cause, since it may hold commands with passwords in them.
 */
export function connectionError(server: string, error: unknown): Error {
  if (error === undefined) return new Error(`${server} closed the connection`);
  const code = codeOf(error);
  const hint = /CERT|TLS|SSL|VERIFY|EPROTO/.test(code) ? "TLS and the certificate" : "the URL";
  return new Error(`${server} cannot be reached (${code}); check ${hint}, the network, and that the server runs`);
}

/** One word for the failure: the code of the system or of OpenSSL, such as ECONNREFUSED, or the name of the error. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string" && /^\w+$/.test(error.code)) return error.code;
  return error.cause === undefined ? error.name : codeOf(error.cause);
}
