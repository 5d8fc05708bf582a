/** Ends with code 0 if the server of this container answers: the health check of the Dockerfile. */
import { get } from "node:http";
import { get as getSecure } from "node:https";
import { connect } from "node:net";

const { STREAMKIT_PORT, PORT, STREAMKIT_TLS_CERT, STREAMKIT_TLS_CLIENT_CA, STREAMKIT_TLS_CLIENT_CERT } = process.env;
const host = "127.0.0.1";
const port = Number(STREAMKIT_PORT || PORT || 8080);
const end = (healthy) => process.exit(healthy ? 0 : 1);

if (STREAMKIT_TLS_CLIENT_CA && STREAMKIT_TLS_CLIENT_CERT !== "request") {
  // This program has no certificate of a client, so it cannot ask more of the port.
  connect(port, host, () => end(true)).on("error", () => end(false));
} else {
  const options = { host, port, path: "/healthz", rejectUnauthorized: false };
  const onAnswer = ({ statusCode }) => end(statusCode === 200);
  (STREAMKIT_TLS_CERT ? getSecure : get)(options, onAnswer).on("error", () => end(false));
}
