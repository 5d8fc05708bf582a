import type { StreamkitEvent } from "../../event.ts";
import type { Events } from "../../events.ts";
import { PUBLIC_KEY_ALGORITHMS, SECRET_ALGORITHMS } from "./algorithms.ts";
import { JwksFile } from "./jwks-file.ts";
import { pemKeys, secretKeys } from "./key-set.ts";
import { fixedKeys, type KeySource } from "./key-source.ts";
import { checkKeyUrl, loadJwks, loadOidcKeys } from "./oidc.ts";
import { RemoteKeys } from "./remote-keys.ts";
import type { TokenRules } from "./verify-token.ts";

/** Options of `tokenAuthentication`: exactly one source of keys, and the rules for tokens. */
export interface TokenOptions {
  /** Secret that signs tokens with HS256: at least 32 random bytes, or UTF-8. Several during a rotation. */
  readonly secret?: string | Uint8Array | readonly (string | Uint8Array)[];
  /** Public key or certificate in PEM form. Several blocks during a rotation. */
  readonly publicKey?: string;
  /** Path of a JSON Web Key Set. The server looks for changes every 2 s. */
  readonly jwksFile?: string;
  /** URL of a JSON Web Key Set. The server gets it every 5 minutes, and for unknown key ids. */
  readonly jwksUrl?: string;
  /** OpenID Connect provider, as in the claim `iss` of its tokens. Its discovery document names the keys. */
  readonly oidcIssuer?: string;

  /** Accepted values of the claim `iss`. Default: `oidcIssuer`; otherwise all. */
  readonly issuer?: string | readonly string[];
  /**
   * Accepted values of the claim `aud`; "*" for all. Required with `jwksUrl` and `oidcIssuer`, which also make tokens
   * for other services. Default for the other sources: all.
   */
  readonly audience?: string | readonly string[];
  /** Accepted algorithms. Default: HS256 with a secret; all for RSA, EC and Ed25519 keys otherwise. */
  readonly algorithms?: readonly string[];
  /** Value of `typ` in the header of tokens, such as "at+jwt". Default: all. */
  readonly type?: string;
  /** Difference between the clocks of issuer and server, in seconds, from 0 to 300. Default 5. */
  readonly clockToleranceSeconds?: number;
  /** Longest token, in bytes. Default 8,192. */
  readonly maxTokenBytes?: number;
  /** Accepts keys over http from other machines. Default false. */
  readonly allowHttp?: boolean;
  /** Receives events about keys and about tokens without effect. Default: writes one line per event to stderr. */
  readonly onEvent?: (event: StreamkitEvent) => void;
}

const SOURCES = ["secret", "publicKey", "jwksFile", "jwksUrl", "oidcIssuer"] as const;
const MAX_TOLERANCE = 300;
const DEFAULT_TOLERANCE = 5;
const DEFAULT_MAX_BYTES = 8_192;

/** @throws TypeError for options that are missing, malformed, or do not fit each other */
export function openSource(options: TokenOptions, algorithms: readonly string[], events: Events): KeySource {
  const { secret, publicKey, jwksFile, jwksUrl, oidcIssuer, allowHttp = false } = options;
  if (secret !== undefined) return fixedKeys(secretKeys(isList(secret) ? secret : [secret], algorithms));
  if (publicKey !== undefined) return fixedKeys(pemKeys(publicKey, algorithms));
  if (jwksFile !== undefined) return new JwksFile(jwksFile, algorithms, events);
  if (jwksUrl !== undefined) {
    const url = checkKeyUrl("jwksUrl", jwksUrl, allowHttp);
    const name = `the key set ${url.origin}${url.pathname}`;
    return new RemoteKeys(name, (signal) => loadJwks(url, algorithms, signal), events);
  }
  const issuer = oidcIssuer ?? "";
  checkKeyUrl("oidcIssuer", issuer, allowHttp);
  const load = (signal: AbortSignal) => loadOidcKeys(issuer, algorithms, allowHttp, signal);
  return new RemoteKeys(`the issuer ${issuer}`, load, events);
}

/** @throws TypeError for options that are missing, malformed, or do not fit each other */
export function readRules(options: TokenOptions): TokenRules & { readonly maxBytes: number } {
  const given = SOURCES.filter((source) => options[source] !== undefined);
  const [source] = given;
  if (given.length !== 1) {
    const found = given.length === 0 ? "no source of keys" : given.join(" and ");
    throw new TypeError(`tokenAuthentication has ${found}; expected exactly one of ${SOURCES.join(", ")}`);
  }
  return {
    algorithms: readAlgorithms(options, source === "secret"),
    issuers: readIssuers(options),
    audiences: readAudiences(options, source),
    type: options.type === undefined ? undefined : checkText("type", options.type),
    clockTolerance: checkNumber(
      "clockToleranceSeconds",
      options.clockToleranceSeconds ?? DEFAULT_TOLERANCE,
      0,
      MAX_TOLERANCE,
    ),
    maxBytes: checkNumber("maxTokenBytes", options.maxTokenBytes ?? DEFAULT_MAX_BYTES, 1, 65_536),
  };
}

/** A secret takes only algorithms for secrets, and a public key only those for public keys. */
function readAlgorithms({ algorithms }: TokenOptions, secret: boolean): readonly string[] {
  const possible = secret ? Object.keys(SECRET_ALGORITHMS) : PUBLIC_KEY_ALGORITHMS;
  if (algorithms === undefined) return secret ? ["HS256"] : possible;
  const wrong = algorithms.find((algorithm) => !possible.includes(algorithm));
  if (algorithms.length > 0 && wrong === undefined) return [...algorithms];
  const found = wrong === undefined ? "an empty list" : JSON.stringify(wrong);
  const source = secret ? "a secret" : "public keys";
  throw new TypeError(`algorithms has ${found}; expected a list of ${possible.join(", ")} for ${source}`);
}

function readIssuers({ issuer, oidcIssuer }: TokenOptions): readonly string[] | undefined {
  if (oidcIssuer === undefined) return issuer === undefined ? undefined : checkTexts("issuer", issuer);
  if (issuer === undefined) return [oidcIssuer];
  throw new TypeError("issuer does not go with oidcIssuer, which is the issuer already");
}

function readAudiences({ audience }: TokenOptions, source: string | undefined): readonly string[] | undefined {
  if (audience === undefined && (source === "jwksUrl" || source === "oidcIssuer")) {
    const why = `${source} also makes tokens for other services`;
    throw new TypeError(
      `audience is missing: ${why}; expected the name of this server in the claim "aud", or "*" for all`,
    );
  }
  return audience === undefined || audience === "*" ? undefined : checkTexts("audience", audience);
}

function checkTexts(option: string, value: string | readonly string[]): readonly string[] {
  const texts = isList(value) ? value : [value];
  if (texts.length === 0) throw new TypeError(`${option} is an empty list; expected at least one value`);
  return texts.map((text) => checkText(option, text));
}

function checkText(option: string, text: string): string {
  if (typeof text === "string" && text !== "") return text;
  throw new TypeError(`${option} is ${JSON.stringify(text)}; expected a text that is not empty`);
}

function checkNumber(option: string, value: number, min: number, max: number): number {
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new TypeError(`${option} is ${value}; expected a number from ${min} to ${max}`);
}

function isList<T>(value: unknown | readonly T[]): value is readonly T[] {
  return Array.isArray(value);
}
