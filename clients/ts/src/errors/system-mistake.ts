const EXPIRED = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID", "CRL_HAS_EXPIRED", "CRL_NOT_YET_VALID"]);
const UNTRUSTED = new Set([
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY",
  "UNABLE_TO_GET_CRL",
  "CERT_SIGNATURE_FAILURE",
  "CERT_CHAIN_TOO_LONG",
  "CERT_REVOKED",
  "CERT_REJECTED",
  "CERT_UNTRUSTED",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "INVALID_CA",
  "INVALID_PURPOSE",
  "PATH_LENGTH_EXCEEDED",
]);
/** Messages of OpenSSL for an answer that is not TLS. */
const NOT_TLS = /wrong version number|packet length too long|unknown protocol|http request/;

/**
 * The message for a lasting failure that Node.js, OpenSSL, llhttp or undici reports; `undefined` for other errors. This
 * is the only place that knows their codes. Bundles for browsers have `system-mistake.browser.ts` in its place.
 */
export function systemMistake(error: Error): string | undefined {
  const { name, message } = error;
  return name === "HTTPParserError" ? ofUndici(message) : ofSystem((error as { code?: unknown }).code, message);
}

/** The message for an error of undici's HTTP/1.1 parser, whose errors have a name and often no code. */
function ofUndici(text: string): string {
  return `the server does not answer in HTTP/1.1 (${firstPart(text)}): check the port. A server that speaks HTTP/2 alone is out of reach of fetch without TLS: use @streamkit/client/node`;
}

function ofSystem(code: unknown, text: string): string | undefined {
  if (typeof code !== "string") return undefined;
  if (UNTRUSTED.has(code)) {
    return `the certificate of the server is not trusted: ${firstPart(text)} (${code}). Pass the certificate of its authority as nodeOptions.ca of the transport, or in NODE_EXTRA_CA_CERTS`;
  }
  if (EXPIRED.has(code)) {
    return `the certificate of the server is not valid now: ${firstPart(text)} (${code}). Renew it, or set the clock of this machine`;
  }
  if (code === "ERR_TLS_CERT_ALTNAME_INVALID" || code === "HOSTNAME_MISMATCH") {
    return `the certificate of the server is for another name: ${text}. Use a name of the certificate in the address`;
  }
  if (code === "EPROTO" || code.startsWith("ERR_SSL_")) {
    const reason = /SSL routines:[^:]*:([^:]+)/.exec(text)?.[1] ?? firstPart(text);
    if (NOT_TLS.test(reason)) return "the server does not speak TLS on this port: use an address with http://";
    return `the TLS handshake failed: ${reason} (${code})`;
  }
  if (code.startsWith("HPE_")) {
    return `the server does not answer in HTTP/1.1 (${firstPart(text)}): check the port, or leave out httpVersion`;
  }
  if (code === "ERR_INVALID_CHAR" || code === "ERR_HTTP_INVALID_HEADER_VALUE" || code === "ERR_INVALID_HTTP_TOKEN") {
    return `an interceptor or option made a header that HTTP does not allow: ${text}`;
  }
  return undefined;
}

/** The text without the advice that Node.js adds. */
function firstPart(text: string): string {
  return text.split(";", 1)[0].trim();
}

/** True if DNS does not know the host. The name may be wrong, or the host may not exist yet. */
export function isUnknownHost(error: unknown): boolean {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 5; depth++) {
    if ((cause as { code?: unknown }).code === "ENOTFOUND") return true;
    cause = cause.cause;
  }
  return false;
}
