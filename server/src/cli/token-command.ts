import { type Grant, Grants, type Verb } from "../index.ts";
import { checkSecret, readSecret, SECRET_VARIABLE } from "./auth-options.ts";
import { list, text, toggle, UnusableValue } from "./option.ts";
import { readOptions, UsageError } from "./read-options.ts";
import { rowsOf } from "./usage.ts";

const VERBS: readonly string[] = ["read", "append", "trim", "coordinate", "admin"] satisfies readonly Verb[];
const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

const OPTIONS = {
  secretFile: text({ value: "FILE", help: `secret of the server (--auth-secret-file)  (or $${SECRET_VARIABLE})` }),
  store: text({ value: "UUID", default: "*", help: 'store of the token, or "*" for all' }),
  verbs: list(
    {
      value: "VERBS",
      help: `rights of the token, with commas between them:\n${VERBS.join(", ")}; default: all except admin`,
    },
    verbs,
  ),
  sub: text({ value: "NAME", default: "developer", help: "name of the caller" }),
  expires: text({ value: "TIME", default: "1h", help: "time until the end of the token, such as 90s, 15m, 8h, 30d" }),
  issuer: text({ value: "NAME", help: 'claim "iss", for a server with --auth-issuer' }),
  audience: text({ value: "NAME", help: 'claim "aud", for a server with --auth-audience' }),
  help: toggle({ letter: "h", help: "prints this" }),
} as const;

const USAGE = `streamkit-server token: makes a token for a server with --auth-secret-file, and prints it

${rowsOf(OPTIONS)}

    (umask 077; openssl rand -hex 32 > secret)
    streamkit-server --auth-secret-file secret
    curl -H "authorization: Bearer $(streamkit-server token --secret-file secret)" ...
`;

/**
 * Runs `streamkit-server token`.
 *
 * @param flags the command line after "token"
 * @returns the text to print: the token, or the help
 * @throws UsageError for invalid options
 */
export async function tokenCommand(
  flags: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const { secretFile, store, verbs, sub, expires, issuer, audience, help } = readOptions(OPTIONS, {
    flags,
    environment: {},
  });
  if (help) return USAGE;
  const place = secretFile === undefined ? `$${SECRET_VARIABLE}` : "--secret-file";
  const secret = secretFile === undefined ? environment[SECRET_VARIABLE] : readSecret("--secret-file", secretFile);
  if (secret === undefined || secret === "") {
    throw new UsageError(`there is no secret: pass --secret-file FILE, or set ${SECRET_VARIABLE}`);
  }
  // Loaded on demand, since the server starts faster without it.
  const { SignJWT } = await import("jose");
  const token = new SignJWT({ scope: scopeOf(store, verbs.flat()) })
    .setProtectedHeader({ alg: "HS256", typ: "JWT" })
    .setSubject(sub)
    .setIssuedAt()
    .setExpirationTime(new Date(Date.now() + millisOf(expires)));
  if (issuer !== undefined) token.setIssuer(issuer);
  if (audience !== undefined) token.setAudience(audience);
  return token.sign(checkSecret(place, secret));
}

/** @throws UsageError for a store that is no UUID */
function scopeOf(store: string, verbs: readonly string[]): string {
  try {
    Grants.of([{ store } satisfies Grant]);
  } catch {
    throw new UsageError(`--store is "${store}"; expected a UUID, or "*" for all stores`);
  }
  const scope = `streamkit::${store}`;
  return verbs.length === 0 ? scope : verbs.map((verb) => `${scope}:${verb}`).join(" ");
}

/** @throws UnusableValue for an unknown verb */
function verbs(value: string): readonly string[] {
  const verbs = value.split(",").map((verb) => verb.trim());
  if (verbs.every((verb) => VERBS.includes(verb))) return verbs;
  throw new UnusableValue(value, `a list of ${VERBS.join(", ")}`);
}

/** @throws UsageError for a text that is no time */
function millisOf(text: string): number {
  const [, number, unit = ""] = /^([1-9]\d{0,5})([smhd])$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (SECONDS[unit] ?? 0) * 1_000;
  throw new UsageError(`--expires is "${text}"; expected a number and a unit, such as 90s, 15m, 8h or 30d`);
}
