import { generateKeyPairSync } from "node:crypto";
import { describe, expect, it } from "vitest";
import { ecKey, SECRET } from "../../../test/access/issuer.ts";
import { tokenAuthentication } from "./token-authentication.ts";
import type { TokenOptions } from "./token-options.ts";

const key = ecKey("k1");
const PEM = key.publicKey.export({ type: "spki", format: "pem" }) as string;

describe("tokenAuthentication refuses", () => {
  const rsa1024 = generateKeyPairSync("rsa", { modulusLength: 1_024 }).publicKey;
  const p224 = generateKeyPairSync("ec", { namedCurve: "secp224r1" }).publicKey;
  const x25519 = generateKeyPairSync("x25519").publicKey;
  const pem = (key: typeof rsa1024) => key.export({ type: "spki", format: "pem" }) as string;
  const privatePem = key.privateKey.export({ type: "pkcs8", format: "pem" }) as string;

  it.each<[TokenOptions, string | RegExp]>([
    [{}, "tokenAuthentication has no source of keys; expected exactly one of secret, publicKey"],
    [{ secret: SECRET, publicKey: PEM }, "tokenAuthentication has secret and publicKey; expected exactly one of"],
    [{ secret: "short" }, "secret has 5 bytes; expected at least 32 for HS256"],
    [{ secret: SECRET, algorithms: ["HS512"] }, "secret has 41 bytes; expected at least 64 for HS512"],
    [{ secret: [SECRET, "short"] }, "secret has 5 bytes"],
    [{ secret: [] }, "secret is an empty list"],
    [{ secret: PEM }, "secret is a key or certificate in PEM form"],
    [
      { secret: SECRET, algorithms: ["RS256"] },
      'algorithms has "RS256"; expected a list of HS256, HS384, HS512 for a secret',
    ],
    [{ secret: SECRET, algorithms: [] }, "algorithms has an empty list"],
    [
      { publicKey: PEM, algorithms: ["HS256"] },
      /^algorithms has "HS256"; expected a list of RS256, .* for public keys$/,
    ],
    [{ publicKey: PEM, algorithms: ["none"] }, 'algorithms has "none"'],
    [{ publicKey: PEM, algorithms: ["RS256"] }, "publicKey checks ES256, but the algorithms are RS256"],
    [{ publicKey: "x" }, 'publicKey has no block "-----BEGIN ..."'],
    [{ publicKey: privatePem }, "publicKey is a private key; expected public keys or certificates in PEM form"],
    [{ publicKey: PEM.replace("M", "N") }, "publicKey: the PUBLIC KEY cannot be read"],
    [{ publicKey: pem(rsa1024) }, "publicKey has an RSA key of 1024 bits; expected at least 2048"],
    [{ publicKey: pem(p224) }, "publicKey has an EC key on the curve secp224r1; expected P-256, P-384 or P-521"],
    [{ publicKey: pem(x25519) }, "publicKey has a key of type x25519; expected RSA, EC or Ed25519"],
    [{ jwksFile: "/nowhere/jwks.json" }, "the key set /nowhere/jwks.json cannot be read: ENOENT"],
    [{ jwksUrl: "https://a.example/jwks" }, "audience is missing: jwksUrl also makes tokens for other services"],
    [{ oidcIssuer: "https://a.example" }, "audience is missing: oidcIssuer also makes tokens"],
    [{ oidcIssuer: "https://a.example", audience: "a", issuer: "b" }, "issuer does not go with oidcIssuer"],
    [{ jwksUrl: "a.example", audience: "*" }, 'jwksUrl is "a.example"; expected a URL such as'],
    [{ jwksUrl: "file:///etc/jwks", audience: "*" }, 'jwksUrl is "file:///etc/jwks"; expected a URL such as'],
    [
      { jwksUrl: "http://a.example/jwks", audience: "*" },
      'jwksUrl is "http://a.example/jwks"; expected https, or http with allowHttp',
    ],
    [{ oidcIssuer: "http://a.example", audience: "*" }, 'oidcIssuer is "http://a.example"; expected https'],
    [{ jwksUrl: "https://me:hunter2@a.example/jwks", audience: "*" }, "jwksUrl has a password; expected a URL without"],
    [{ secret: SECRET, issuer: [] }, "issuer is an empty list"],
    [{ secret: SECRET, issuer: "" }, 'issuer is ""; expected a text that is not empty'],
    [{ secret: SECRET, audience: "" }, 'audience is ""'],
    [{ secret: SECRET, type: "" }, 'type is ""'],
    [{ secret: SECRET, clockToleranceSeconds: 301 }, "clockToleranceSeconds is 301; expected a number from 0 to 300"],
    [{ secret: SECRET, clockToleranceSeconds: Number.NaN }, "clockToleranceSeconds is NaN"],
    [{ secret: SECRET, maxTokenBytes: 0 }, "maxTokenBytes is 0; expected a number from 1 to 65536"],
  ])("%j", (options, message) => {
    const open = () => tokenAuthentication(options);
    expect(open).toThrow(TypeError);
    expect(open).toThrow(message);
    expect(open).not.toThrow(/hunter2|a secret of a test|MC4|MIG/);
  });
});
