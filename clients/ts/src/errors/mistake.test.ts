import { Code, ConnectError } from "@connectrpc/connect";
import { expect, test } from "vitest";
import { toStreamkitError } from "./from-connect.ts";

/** An error of Node.js in the wrapping of connect-node. */
function ofNode(code: string, message: string): ConnectError {
  return new ConnectError(message, Code.Internal, undefined, undefined, Object.assign(new Error(message), { code }));
}

/** An error of Node.js in the wrapping of its fetch. */
function ofFetch(code: string, message: string): TypeError {
  return new TypeError("fetch failed", { cause: Object.assign(new Error(message), { code }) });
}

const OPENSSL =
  "407D:error:0A00010B:SSL routines:tls_validate_record_header:wrong version number:../ssl/record.c:77:\n";

test.each([
  [
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "self-signed certificate; if the root CA is installed",
    /not trusted: self-signed.*nodeOptions\.ca/,
  ],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "unable to verify", /not trusted/],
  ["CERT_HAS_EXPIRED", "certificate has expired", /not valid now/],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "Host: a. is not in the cert's altnames: DNS:b", /another name.*DNS:b/],
  ["ERR_SSL_WRONG_VERSION_NUMBER", OPENSSL, /does not speak TLS.*http:\/\//],
  ["EPROTO", `write EPROTO ${OPENSSL}`, /does not speak TLS.*http:\/\//],
  [
    "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
    "407D:error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:x",
    /handshake failed: tlsv13 alert certificate required/,
  ],
  ["HPE_INVALID_CONSTANT", "Parse Error: Expected HTTP/", /does not answer in HTTP\/1\.1/],
  ["ERR_INVALID_CHAR", "Invalid character in header content", /header that HTTP does not allow/],
])("%s is a mistake, not an outage", (code, text, message) => {
  for (const thrown of [ofNode(code, text), ofFetch(code, text)]) {
    const error = toStreamkitError(thrown);
    expect(error).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
    expect(error.message).toMatch(message);
    expect(error.message).not.toContain("\n");
  }
});

test("an answer that fetch cannot parse is a mistake, not an outage", () => {
  const cause = Object.assign(new Error("Response does not match the HTTP/1.1 protocol"), { name: "HTTPParserError" });
  const error = toStreamkitError(new TypeError("fetch failed", { cause }));
  expect(error).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
  expect(error.message).toMatch(/does not answer in HTTP\/1\.1.*HTTP\/2 alone/);
});

test.each([
  "ECONNREFUSED",
  "ECONNRESET",
  "ETIMEDOUT",
  "EPIPE",
  "ENETUNREACH",
  "EAI_AGAIN",
  "ENOTFOUND",
  "ERR_HTTP2_ERROR",
])("%s is an outage", (code) => {
  expect(toStreamkitError(ofNode(code, "x"))).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
  expect(toStreamkitError(ofFetch(code, "x"))).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
});

test("answers of other servers are mistakes, those of proxies without a server are outages", () => {
  const ofStatus = (status: number) => toStreamkitError(new ConnectError(`HTTP ${status}`, Code.Unknown));
  for (const status of [200, 301, 302, 307, 400, 404, 405, 415, 421, 501, 505]) {
    expect(ofStatus(status), `HTTP ${status}`).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
  }
  for (const status of [408, 425, 429, 500, 502, 503, 504, 520]) {
    expect(ofStatus(status), `HTTP ${status}`).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
  }
  expect(ofStatus(413)).toMatchObject({ reason: "REQUEST_TOO_LARGE", retryable: false });
  const refused = new ConnectError("HTTP 401", Code.Unauthenticated);
  expect(toStreamkitError(refused)).toMatchObject({ reason: "UNAUTHENTICATED", retryable: false });
  const redirect = new ConnectError("HTTP 302", Code.Unknown, { location: "https://login.example" });
  expect(toStreamkitError(redirect).message).toContain("redirect to https://login.example");
  const page = new ConnectError("unsupported content type text/html; charset=utf-8", Code.Unknown);
  expect(toStreamkitError(page)).toMatchObject({ reason: "MISCONFIGURED", retryable: false });
  expect(toStreamkitError(page).message).toMatch(/no Streamkit at this address.*text\/html/);
  const noGrpc = new ConnectError("HTTP 415", Code.Unknown, { "grpc-message": "use Connect, %22not%22 gRPC" });
  expect(toStreamkitError(noGrpc)).toMatchObject({ reason: "MISCONFIGURED", message: 'use Connect, "not" gRPC' });
  const broken = new ConnectError("HTTP 415", Code.Unknown, { "grpc-message": "100%" });
  expect(toStreamkitError(broken).message).toBe("100%");
});
