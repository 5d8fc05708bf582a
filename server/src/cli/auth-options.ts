import { readFileSync } from "node:fs";
import { type StreamkitEvent, type TokenAuthentication, type TokenOptions, tokenAuthentication } from "../index.ts";
import { list, text, toggle, UnusableValue } from "./option.ts";
import { UsageError } from "./read-options.ts";

/** Variable with the secret itself. There is no such flag: all users of a machine see the flags of its programs. */
export const SECRET_VARIABLE = "STREAMKIT_AUTH_SECRET";

/** Options of `streamkit-server` for the authentication of callers by tokens. */
export const AUTH_OPTIONS = {
  authSecretFile: text({
    value: "FILE",
    help: `callers need tokens signed with the secret in this file (HS256), or in\n$${SECRET_VARIABLE}; "streamkit-server token" makes tokens`,
  }),
  authPublicKey: text({ value: "FILE", help: "callers need tokens signed for this public key or certificate (PEM)" }),
  authJwks: text({ value: "FILE|URL", help: "callers need tokens signed for a key of this JSON Web Key Set" }),
  authOidc: text({ value: "ISSUER", help: "callers need tokens of this OpenID Connect provider" }),
  authIssuer: list({ value: "NAME", help: 'accepted claim "iss" of tokens; may be repeated' }, notEmpty),
  authAudience: list(
    {
      value: "NAME",
      help: 'accepted claim "aud" of tokens; "*" for all; may be repeated;\nneeded with --auth-oidc and the URL of a key set',
    },
    notEmpty,
  ),
  authAllowHttp: toggle({ help: "get the keys of tokens over http, also from other machines" }),
} as const;

/** The values of the options. */
export interface AuthOptions {
  readonly authSecretFile: string | undefined;
  readonly authPublicKey: string | undefined;
  readonly authJwks: string | undefined;
  readonly authOidc: string | undefined;
  readonly authIssuer: readonly string[];
  readonly authAudience: readonly string[];
  readonly authAllowHttp: boolean;
}

/** Flags for the names in messages of `tokenAuthentication`. */
const FLAGS: Readonly<Record<string, string>> = {
  publicKey: "--auth-public-key",
  jwksFile: "--auth-jwks",
  jwksUrl: "--auth-jwks",
  oidcIssuer: "--auth-oidc",
  issuer: "--auth-issuer",
  audience: "--auth-audience",
  allowHttp: "--auth-allow-http",
};

/** Variables of the environment. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** True if callers need tokens. */
export function authenticatesByToken(options: AuthOptions, environment: Environment): boolean {
  return sourcesOf(options, environment).length > 0;
}

/**
 * Opens the authentication of callers by tokens, if the options ask for it.
 *
 * @throws UsageError for options that do not fit each other, unreadable files and unusable keys, without any secret
 */
export function openTokenAuthentication(
  options: AuthOptions,
  environment: Environment,
  onEvent: (event: StreamkitEvent) => void,
): TokenAuthentication | undefined {
  const sources = sourcesOf(options, environment);
  if (sources.length > 1) throw new UsageError(`${sources.join(" and ")} exclude each other: pass one of them`);
  const [source] = sources;
  const { authIssuer, authAudience, authAllowHttp } = options;
  if (source === undefined) {
    if (authIssuer.length === 0 && authAudience.length === 0 && !authAllowHttp) return undefined;
    throw new UsageError(
      "--auth-issuer, --auth-audience and --auth-allow-http need keys for tokens: --auth-secret-file, --auth-public-key, " +
        "--auth-jwks or --auth-oidc",
    );
  }
  try {
    return tokenAuthentication({
      ...keysOf(options, environment),
      ...(authIssuer.length > 0 && { issuer: authIssuer }),
      ...(authAudience.length > 0 && { audience: authAudience.includes("*") ? "*" : authAudience }),
      allowHttp: authAllowHttp,
      onEvent,
    });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const flags = error.message.replace(
      /\b(publicKey|jwksFile|jwksUrl|oidcIssuer|allowHttp)\b/g,
      (name) => FLAGS[name],
    );
    throw new UsageError(
      flags.replace(/^(issuer|audience)\b/, (name) => FLAGS[name]).replace(/^secret\b/, () => source),
    );
  }
}

function sourcesOf(options: AuthOptions, environment: Environment): string[] {
  const { authSecretFile, authPublicKey, authJwks, authOidc } = options;
  const secret = environment[SECRET_VARIABLE];
  return [
    ...(authSecretFile !== undefined ? ["--auth-secret-file"] : []),
    ...(secret !== undefined && secret !== "" ? [`$${SECRET_VARIABLE}`] : []),
    ...(authPublicKey !== undefined ? ["--auth-public-key"] : []),
    ...(authJwks !== undefined ? ["--auth-jwks"] : []),
    ...(authOidc !== undefined ? ["--auth-oidc"] : []),
  ];
}

function keysOf(
  { authSecretFile, authPublicKey, authJwks, authOidc }: AuthOptions,
  environment: Environment,
): TokenOptions {
  if (authSecretFile !== undefined) return { secret: readSecret("--auth-secret-file", authSecretFile) };
  if (authPublicKey !== undefined) return { publicKey: readFileOf("--auth-public-key", authPublicKey).toString() };
  if (authJwks !== undefined) return /^https?:/i.test(authJwks) ? { jwksUrl: authJwks } : { jwksFile: authJwks };
  if (authOidc !== undefined) return { oidcIssuer: authOidc };
  return { secret: environment[SECRET_VARIABLE] ?? "" };
}

/**
 * Reads a secret. The end of the line is no part of a secret in text form.
 *
 * @throws UsageError if the file cannot be read
 */
export function readSecret(flag: string, path: string): Uint8Array {
  const bytes = readFileOf(flag, path);
  const text = bytes.toString("latin1");
  return /^[\x20-\x7e]*\r?\n$/.test(text) ? Buffer.from(text.trimEnd()) : bytes;
}

/**
 * @param place of the secret, for the message
 * @returns the bytes of the secret
 * @throws UsageError for a secret that the server refuses
 */
export function checkSecret(place: string, secret: string | Uint8Array): Uint8Array {
  try {
    tokenAuthentication({ secret });
  } catch (error) {
    throw new UsageError((error as Error).message.replace(/^secret\b/, () => place));
  }
  return Buffer.from(secret);
}

function readFileOf(flag: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    // Without the path, which may be the secret itself by mistake.
    const { code } = error as NodeJS.ErrnoException;
    throw new UsageError(`${flag} cannot be read: ${code}; expected the path of a file`);
  }
}

function notEmpty(value: string): string {
  if (value !== "") return value;
  throw new UnusableValue(value, "a value that is not empty");
}
