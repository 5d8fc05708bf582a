/** Keys behind URLs: outages, rotations, floods, and answers of a hostile or broken issuer. */
import { afterEach, describe, expect, it, vi } from "vitest";
import { bearing, claims, ecKey, type IssuerServer, jwksOf, signed, startIssuer } from "../../../test/access/issuer.ts";
import type { StreamkitEvent } from "../../event.ts";
import { Events } from "../../events.ts";
import { AuthenticationUnavailable } from "../denial.ts";
import type { TokenKey } from "./key-set.ts";
import { loadJwks } from "./oidc.ts";
import { RemoteKeys, type RemoteTimes } from "./remote-keys.ts";
import { tokenAuthentication } from "./token-authentication.ts";

const ALGORITHMS = ["ES256"];
/** Longer than any test. */
const NEVER = 3_600_000;
const [k1, k2] = [ecKey("k1"), ecKey("k2")];

const opened: { close(): unknown }[] = [];
afterEach(() => {
  for (const each of opened.splice(0)) each.close();
});

/** Keys from the path /jwks of an issuer. */
function keysOf(issuer: IssuerServer, times: Partial<RemoteTimes> = {}) {
  const events: StreamkitEvent[] = [];
  const url = new URL("/jwks", issuer.url);
  const load = (signal: AbortSignal) => loadJwks(url, ALGORITHMS, signal);
  const keys = new RemoteKeys("the issuer", load, new Events((event) => events.push(event), 0), {
    refresh: NEVER,
    pause: NEVER,
    attempt: NEVER,
    ...times,
  });
  opened.push(keys);
  return { keys, events, find: async (id: string) => ids(await keys.find("ES256", id)) };
}

const ids = (keys: readonly TokenKey[]) => keys.map(({ id }) => id);

describe("keys behind a URL", () => {
  it("load once, before the first token, and are known at once afterwards", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1, k2));
    const { keys, find } = keysOf(issuer);
    expect(await Promise.all([find("k1"), find("k2"), find("k1")])).toEqual([["k1"], ["k2"], ["k1"]]);
    expect(ids(keys.find("ES256", "k1") as TokenKey[])).toEqual(["k1"]);
    expect(issuer.requests.get("/jwks")).toBe(1);
  });

  it("that never loaded refuse at once as unavailable, with one request per pause", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", (_, response) => response.writeHead(503).end());
    const { keys, find, events } = keysOf(issuer);
    await expect(find("k1")).rejects.toThrow(AuthenticationUnavailable);
    for (let call = 0; call < 1_000; call++)
      expect(() => keys.find("ES256", `k${call}`)).toThrow(AuthenticationUnavailable);
    expect(issuer.requests.get("/jwks")).toBe(1);
    expect(events).toEqual([
      expect.objectContaining({
        level: "warn",
        kind: "token-keys",
        message: `the issuer: ${issuer.url}/jwks answered with status 503; no token can be checked, and the server tries again`,
      }),
    ]);
  });

  it("refuse at once while an attempt after a failure hangs", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", (_, response) => response.writeHead(503).end());
    const { keys, find } = keysOf(issuer, { pause: 1 });
    await expect(find("k1")).rejects.toThrow(AuthenticationUnavailable);
    const hanging = issuer.nextRequest("/jwks");
    issuer.answer("/jwks", () => undefined);
    await hanging;
    expect(() => keys.find("ES256", "k1")).toThrow(AuthenticationUnavailable);
  });

  it("try again by themselves, and say when they are back", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", (_, response) => response.writeHead(503).end());
    const { find, events } = keysOf(issuer, { pause: 1 });
    await expect(find("k1")).rejects.toThrow(AuthenticationUnavailable);
    issuer.answer("/jwks", await jwksOf(k1));
    await expect.poll(() => find("k1").catch(() => "unavailable"), { timeout: 60_000 }).toEqual(["k1"]);
    expect(events.at(-1)).toMatchObject({ level: "info", message: 'the issuer has 1 key: "k1"' });
  });

  it("end an attempt that hangs", async () => {
    await using issuer = await startIssuer();
    const { find, events } = keysOf(issuer, { attempt: 20 });
    await expect(find("k1")).rejects.toThrow(AuthenticationUnavailable);
    expect(events[0]?.message).toMatch("/jwks did not answer in time");
  });

  it("end an attempt whose body hangs", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", (_, response) => response.write('{"keys":'));
    const { find, events } = keysOf(issuer, { attempt: 500 });
    await expect(find("k1")).rejects.toThrow(AuthenticationUnavailable);
    expect(events[0]?.message).toMatch("/jwks did not answer in time");
  });

  it("stay known while the issuer is down", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    const { keys, find, events } = keysOf(issuer, { refresh: 1, pause: 1 });
    expect(await find("k1")).toEqual(["k1"]);
    issuer.answer("/jwks", (request) => request.socket.destroy());
    await vi.waitUntil(() => events.length > 3, { timeout: 60_000 });
    expect(events.at(-1)?.message).toMatch("the known keys stay valid");
    expect(ids(keys.find("ES256", "k1") as TokenKey[])).toEqual(["k1"]);
    // Nobody knows whether the issuer has this key by now.
    expect(() => keys.find("ES256", "k2")).toThrow(AuthenticationUnavailable);
  });

  it("ask once per pause for unknown ids, and find a new key", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    const { find } = keysOf(issuer, { pause: 0 });
    expect(await find("k1")).toEqual(["k1"]);
    issuer.answer("/jwks", await jwksOf(k1, k2));
    expect(await Promise.all([find("k2"), find("k2"), find("other")])).toEqual([["k2"], ["k2"], []]);
    expect(issuer.requests.get("/jwks")).toBe(2);
  });

  it("ask nothing for a flood of unknown ids within a pause", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    const { keys, find } = keysOf(issuer);
    expect(await find("k1")).toEqual(["k1"]);
    for (let id = 0; id < 10_000; id++) expect(keys.find("ES256", `other ${id}`)).toEqual([]);
    expect(issuer.requests.get("/jwks")).toBe(1);
  });

  it("let few calls wait for an attempt", async () => {
    await using issuer = await startIssuer();
    const asked = issuer.nextRequest("/jwks");
    const { find, keys } = keysOf(issuer);
    await asked;
    const calls = Array.from({ length: 300 }, (_, id) => find(`k${id}`).catch((error) => error.name));
    expect(await Promise.race(calls)).toBe("AuthenticationUnavailable");
    keys.close();
    expect((await Promise.all(calls)).filter((answer) => answer === "AuthenticationUnavailable")).toHaveLength(300);
  });

  it("ask nothing for a token without an id", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    const { keys, find } = keysOf(issuer, { pause: 0 });
    expect(await find("k1")).toEqual(["k1"]);
    expect(ids(keys.find("ES256", undefined) as TokenKey[])).toEqual(["k1"]);
    expect(keys.find("RS256", undefined)).toEqual([]);
    expect(issuer.requests.get("/jwks")).toBe(1);
  });

  it("load no more after close, also after one during an attempt", async () => {
    const start = () => {
      const loads = { count: 0, fail: () => {} };
      const keys = new RemoteKeys(
        "the issuer",
        () => {
          loads.count++;
          return new Promise((_, reject) => {
            loads.fail = () => reject(new Error("no keys"));
          });
        },
        new Events(() => undefined),
        { refresh: 1, pause: 1 },
      );
      opened.push(keys);
      return { keys, loads };
    };
    const closed = start();
    closed.keys.close();
    closed.loads.fail();
    expect(() => closed.keys.find("ES256", "k1")).toThrow(AuthenticationUnavailable);
    // Other keys with the same times show how many attempts would have come by now.
    const open = start();
    const failOnce = () => {
      open.loads.fail();
      return open.loads.count > 20;
    };
    await vi.waitUntil(failOnce, { timeout: 60_000, interval: 1 });
    expect(closed.loads.count).toBe(1);
  });
});

describe("a token of a removed key", () => {
  it("ends with the next look at the keys", async () => {
    await using issuer = await startIssuer();
    issuer.answer("/jwks", await jwksOf(k1));
    const events: StreamkitEvent[] = [];
    await using authenticate = tokenAuthentication({
      jwksUrl: `${issuer.url}/jwks`,
      audience: "*",
      onEvent: (event) => events.push(event),
    });
    const request = bearing(await signed(claims(), k1));
    const principal = await authenticate(request);
    expect(authenticate(request)).toBe(principal);
    issuer.answer("/jwks", await jwksOf(k2));
    vi.spyOn(performance, "now").mockReturnValue(performance.now() + 10_000);
    expect((await authenticate(bearing(await signed(claims({ sub: "bob" }), k2)))).subject).toBe("bob");
    vi.restoreAllMocks();
    await expect(Promise.resolve(authenticate(request))).rejects.toThrow('no key for ES256 with the id "k1"');
  });
});
