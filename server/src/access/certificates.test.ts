import { expect, it } from "vitest";
import { certificateAuthentication } from "./certificates.ts";
import { AccessDenied } from "./denial.ts";
import { Grants } from "./grants.ts";
import type { AccessRequest, PeerCertificate } from "./principal.ts";

const peer: PeerCertificate = {
  subject: "CN=orders",
  uris: ["spiffe://example/orders", "spiffe://example/other"],
  dnsNames: ["orders.example"],
  fingerprint256: "AA",
  expiresAt: Date.now() + 60_000,
};
const request = (peer?: PeerCertificate): AccessRequest => ({
  headers: { get: () => null },
  transport: "http",
  ...(peer && { peer }),
});
const authenticate = certificateAuthentication({ grantsOf: () => Grants.all });
const denial = (reason: string) => expect.objectContaining({ name: "AccessDenied", reason });

it.each([
  [peer, "spiffe://example/orders"],
  [{ ...peer, uris: [] }, "orders.example"],
  [{ ...peer, uris: [], dnsNames: [] }, "CN=orders"],
])("takes the subject from the best name, %#", async (peer, subject) => {
  expect(await authenticate(request(peer))).toEqual({ subject, grants: Grants.all, expiresAt: peer.expiresAt });
});

it("denies callers without a certificate, with an expired one, and without grants", () => {
  expect(() => authenticate(request())).toThrow(denial("TOKEN_MISSING"));
  expect(() => authenticate(request({ ...peer, expiresAt: Date.now() - 1 }))).toThrow(denial("TOKEN_EXPIRED"));
  const strict = certificateAuthentication({ grantsOf: () => undefined });
  expect(() => strict(request(peer))).toThrow(denial("TOKEN_INVALID"));
});

it("waits for grants that come later", async () => {
  const later = certificateAuthentication({
    grantsOf: async (subject) => (subject === "spiffe://example/orders" ? Grants.all : undefined),
  });
  expect(await later(request(peer))).toMatchObject({ subject: "spiffe://example/orders" });
  await expect(later(request({ ...peer, uris: [] }))).rejects.toThrow(AccessDenied);
});
