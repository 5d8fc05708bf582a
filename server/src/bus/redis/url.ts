import { parseServerUrl, type ServerUrl } from "../remote/server-url.ts";

const FORM = {
  schemes: ["redis", "rediss"],
  defaultPort: 6379,
  expected:
    "redis://[[user]:password@]host[:port], or rediss:// for TLS, with special characters in user and password escaped",
};

/** @throws TypeError for what cannot be used; its message holds no secret. */
export function parseUrl(text: string): ServerUrl {
  const url = parseServerUrl(text, FORM);
  // The number of a database means nothing to publish and subscribe; URLs that are used for other things too have it.
  if (!/^(\/\d*)?$/.test(url.path)) throw new TypeError(`expected a URL of the form ${FORM.expected}`);
  if (url.user !== "" && url.password === "") throw new TypeError("the URL has a user and no password");
  return url;
}
