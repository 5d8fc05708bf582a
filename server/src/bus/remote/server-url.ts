/** The parts of a server's URL, decoded. */
export interface ServerUrl {
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  readonly user: string;
  readonly password: string;
  /** The URL for people to read: scheme, host and port, no credentials. */
  readonly location: string;
}

/** The form of the URLs that one kind of bus accepts. */
export interface UrlForm {
  readonly schemes: readonly string[];
  readonly defaultPort: number;
  /** The form in words, for the error about another URL. */
  readonly expected: string;
}

/**
 * Splits a URL into its parts.
 *
 * @throws TypeError for a URL of another form. The message gives the expected form and nothing of the URL itself, since
 *   any part of the URL may hold a piece of an unescaped password.
 */
export function parseServerUrl(text: string, form: UrlForm): ServerUrl {
  const refused = new TypeError(`expected a URL of the form ${form.expected}`);
  let url: URL;
  let user: string;
  let password: string;
  try {
    url = new URL(text);
    user = decodeURIComponent(url.username);
    password = decodeURIComponent(url.password);
  } catch {
    // The cause would hold the URL.
    throw refused;
  }
  const scheme = url.protocol.slice(0, -1);
  if (!form.schemes.includes(scheme) || url.search !== "" || url.hash !== "") throw refused;
  if (!/^([A-Za-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(url.hostname)) throw refused;
  const port = url.port === "" ? form.defaultPort : Number(url.port);
  return {
    scheme,
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port,
    path: url.pathname,
    user,
    password,
    location: `${scheme}://${url.hostname}:${port}`,
  };
}
