/**
 * A connection that could not be made or has ended, as people are told of it.
 *
 * What a client library throws is not passed on as the cause: it may hold commands, with passwords in them.
 */
export function connectionError(server: string, error: unknown): Error {
  if (error === undefined) return new Error(`${server} closed the connection`);
  const code = codeOf(error);
  const hint = /CERT|TLS|SSL|VERIFY|EPROTO/.test(code) ? "TLS and the certificate" : "the URL";
  return new Error(`${server} cannot be reached (${code}); check ${hint}, the network, and that the server runs`);
}

/** A word for the failure: the system's or OpenSSL's, as ECONNREFUSED, or the name of the error's class. */
function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  if ("code" in error && typeof error.code === "string" && /^\w+$/.test(error.code)) return error.code;
  return error.cause === undefined ? error.name : codeOf(error.cause);
}
