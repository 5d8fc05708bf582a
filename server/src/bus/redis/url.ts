import { parseServerUrl, type ServerUrl } from "../remote/server-url.ts";

const FORM = {
  schemes: ["redis", "rediss"],
  defaultPort: 6379,
  expected:
    "redis://[[user]:password@]host[:port], or rediss:// for TLS, with special characters in user and password escaped",
};

/** @throws TypeError for a URL that it cannot use; the message holds no secret */
export function parseUrl(text: string): ServerUrl {
  const url = parseServerUrl(text, FORM);
  // Publish and subscribe ignore the number of a database, but a URL shared with other programs may have one.
  if (!/^(\/\d*)?$/.test(url.path)) throw new TypeError(`expected a URL of the form ${FORM.expected}`);
  if (url.user !== "" && url.password === "") throw new TypeError("the URL has a user but no password; give both");
  return url;
}
