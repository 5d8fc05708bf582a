import { expect, it } from "vitest";
import { checkExposure } from "./exposure.ts";
import { OPTIONS } from "./options.ts";
import { readOptions } from "./read-options.ts";

const check = (...flags: string[]) => checkExposure(readOptions(OPTIONS, { flags, environment: {} }), {});

it.each(["127.0.0.1", "127.0.0.2", "::1", "localhost"])("lets a server listen on %s", (host) => {
  expect(check("--host", host)).toBe(undefined);
  expect(check("--host", host, "--insecure")).toBe(undefined);
});

it.each(["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com", "0127.0.0.1"])(
  "refuses --host %s without authentication, and says what to do",
  (host) => {
    expect(() => check("--host", host)).toThrow(
      new RegExp(
        `^--host ${host} lets other machines in, and no caller is authenticated: .*--auth-secret-file.*--tls-client-ca.*--insecure`,
      ),
    );
    const optional = ["--tls-client-ca", "ca.pem", "--tls-client-cert", "request"];
    expect(() => check("--host", host, ...optional)).toThrow("no caller is authenticated");
    expect(check("--host", host, "--insecure")).toContain("they can read and change everything");
    expect(check("--host", host, "--tls-client-ca", "ca.pem")).toBe(undefined);
  },
);

it.each(["--auth-secret-file", "--auth-public-key", "--auth-jwks", "--auth-oidc"])(
  "lets machines in with %s",
  (flag) => {
    expect(check("--host", "0.0.0.0", flag, "x")).toBe(undefined);
  },
);

it("lets machines in with a secret in the environment", () => {
  const options = readOptions(OPTIONS, { flags: ["--host", "0.0.0.0"], environment: {} });
  expect(checkExposure(options, { STREAMKIT_AUTH_SECRET: "x" })).toBe(undefined);
  expect(() => checkExposure(options, { STREAMKIT_AUTH_SECRET: "" })).toThrow("no caller is authenticated");
});
