import type { JsonObject, Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { type ErrorDetail, ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import {
  AccessDenied,
  type AccessRequest,
  type Authenticate,
  type DenialReason,
  type GrantClaims,
  Grants,
  type Principal,
} from "@streamkit/server";
import { type Bends, bentTransport } from "./bent-transport.ts";
import type { Deviation } from "./deviation.ts";

const VERBS = ["read", "append", "trim", "coordinate", "admin"];

/** A deviation that changes the principal of a call, once its token is checked. */
function bendPrincipal(
  name: string,
  wrong: string,
  change: (found: Principal, claims: Claims) => Principal,
): Deviation {
  const authenticate = (real: Authenticate) => async (request: AccessRequest) =>
    change(await real(request), claimsOf(request));
  return { name, wrong, where: "access", authenticate };
}

/** A deviation that changes each grant of a token. */
function bendGrants(
  name: string,
  wrong: string,
  change: (grant: JsonObject, all: readonly JsonObject[]) => JsonObject,
) {
  return bendPrincipal(name, wrong, (principal, { streamkit }) => ({
    ...principal,
    grants: Grants.parse({ streamkit: streamkit.map((grant) => change({ ...grant }, streamkit)) }),
  }));
}

/** A deviation that lets in some callers with bad credentials. */
function letIn(name: string, wrong: string, reason: DenialReason): Deviation {
  const authenticate = (real: Authenticate) => async (request: AccessRequest) => {
    try {
      return await real(request);
    } catch (error) {
      if (!(error instanceof AccessDenied) || error.reason !== reason) throw error;
      if (reason === "TOKEN_MISSING") return { subject: "anonymous", grants: Grants.all };
      const claims = claimsOf(request);
      return { subject: claims.sub, grants: Grants.parse(claims) };
    }
  };
  return { name, wrong, where: "access", authenticate };
}

function bend(name: string, wrong: string, bends: () => Bends): Deviation {
  return { name, wrong, where: "access", transport: (next) => bentTransport(next, bends()) };
}

interface Claims extends GrantClaims {
  readonly sub: string;
  readonly streamkit: readonly JsonObject[];
}

/** Reads a token without any check. */
function claimsOf({ headers }: AccessRequest): Claims {
  const [, content = ""] = (headers.get("authorization") ?? "").split(".");
  if (content === "") return { sub: "nobody", streamkit: [] };
  return JSON.parse(Buffer.from(content, "base64url").toString());
}

/** Replaces methods of the grants of a principal. */
function withMethods(principal: Principal, methods: (grants: Grants) => Partial<Grants>): Principal {
  const { grants } = principal;
  // An object of its own, because the server keeps the grants of a token for later calls.
  const own = new Proxy(grants, {
    get(target, name) {
      const method = methods(target)[name as keyof Grants] ?? target[name as keyof Grants];
      return typeof method === "function" ? method.bind(target) : method;
    },
  });
  return { ...principal, grants: own };
}

/** Servers with faults in the check of tokens and grants. */
export const ACCESS_DEVIATIONS: readonly Deviation[] = [
  letIn("open-door", "accepts calls without credentials", "TOKEN_MISSING"),
  {
    ...letIn("late-refusal", "refuses a call without credentials after it has done the work", "TOKEN_MISSING"),
    transport: refusedLate,
  },
  letIn("unchecked-token", "accepts every token whose claims it can read", "TOKEN_INVALID"),
  letIn("accepted-after-end", "accepts expired tokens", "TOKEN_EXPIRED"),
  bendPrincipal("outlived-token", "lets streams outlive their token", ({ subject, grants }) => ({ subject, grants })),
  bendPrincipal("early-end", "ends streams long before their token expires", (principal) => ({
    ...principal,
    expiresAt: Date.now() + 500,
  })),
  bendGrants("ignored-grant-store", "takes a grant for one store as a grant for all stores", (grant) =>
    typeof grant.store === "string" && grant.store.length === 36 ? { ...grant, store: "*" } : grant,
  ),
  bendGrants("ignored-verbs", "allows every verb to everybody with a grant", (grant) => ({ ...grant, verbs: VERBS })),
  bendGrants("ignored-grant-space", "ignores the spaces of a grant", ({ space: _, ...grant }) => grant),
  bendGrants("ignored-grant-segment", "ignores the segments of a grant", ({ segment: _, ...grant }) => grant),
  bendGrants("exact-as-prefix", "takes the name of one space as a prefix", (grant) => {
    const exact = (grant.space as JsonObject | undefined)?.exact;
    return exact === undefined ? grant : { ...grant, space: { prefix: exact } };
  }),
  bendGrants("mixed-grants", "allows the verbs of all grants wherever one of them holds", (grant, all) =>
    all.every(({ verbs }) => Array.isArray(verbs))
      ? { ...grant, verbs: all.flatMap(({ verbs }) => verbs as string[]) }
      : grant,
  ),
  bendGrants("repaired-grants", "drops the malformed parts of a grant and takes the rest", (grant) => ({
    ...(typeof grant.store === "string" ? { store: grant.store.includes("*") ? "*" : grant.store } : {}),
    ...(grant.space !== undefined && (grant.space as JsonObject).prefix !== "" ? { space: grant.space } : {}),
    ...(grant.segment === undefined ? {} : { segment: grant.segment }),
    ...(Array.isArray(grant.verbs) ? { verbs: grant.verbs.filter((verb) => VERBS.includes(String(verb))) } : {}),
  })),
  bendGrants("ignored-bind", "gives bound leases to other principals", ({ bind: _, ...grant }) => grant),
  bendPrincipal("first-message-only", "checks only the first message of a call", (principal) => {
    let checked = false;
    return withMethods(principal, (grants) => ({
      allows(verb, store, space, segment) {
        checked ||= grants.allows(verb, store, space, segment);
        return checked;
      },
    }));
  }),
  bendPrincipal("unfiltered-lists", "shows all names in lists", (principal) =>
    withMethods(principal, () => ({
      stores: () => undefined,
      coversStore: () => true,
      coversSpace: () => true,
      spaceLimits: () => undefined,
      segmentLimits: () => undefined,
    })),
  ),
  bendPrincipal("one-principal", "takes all callers for one principal", (principal) => ({
    ...principal,
    subject: "everybody",
  })),
  bendPrincipal("token-as-principal", "takes every token for a principal of its own", (principal, claims) => ({
    ...principal,
    subject: `${principal.subject} ${JSON.stringify(claims)}`,
  })),
  bend("leaked-existence", "answers NOT_FOUND for foreign stores that do not exist", () => {
    const known = new Set<unknown>();
    return {
      async around(_, request: Message & { storeId?: string }, send) {
        try {
          const response = await send();
          known.add(request.storeId);
          return response;
        } catch (error) {
          const { code } = ConnectError.from(error);
          if (code !== Code.PermissionDenied || known.has(request.storeId)) throw error;
          throw new ConnectError("there is no such store", Code.NotFound);
        }
      },
    };
  }),
  bend("one-token-reason", "reports an expired token as an invalid one", () => ({
    failure: (error) =>
      changed(error, ErrorReason.TOKEN_EXPIRED, (detail) => ({ ...detail, reason: ErrorReason.TOKEN_INVALID })),
  })),
  bend("retryable-denial", "asks for a retry of calls that the grants do not allow", () => ({
    failure: (error) => changed(error, ErrorReason.PERMISSION_DENIED, (detail) => ({ ...detail, retryable: true })),
  })),
];

/** A transport whose server has served a unary call by the time that the call fails. Streams fail at once. */
function refusedLate(next: Transport): Transport {
  const refusal = { reason: ErrorReason.TOKEN_MISSING };
  const check = (header: HeadersInit | undefined): void => {
    if (new Headers(header).has("authorization")) return;
    const details = [{ desc: ErrorDetailSchema, value: refusal }];
    throw new ConnectError("there is no token", Code.Unauthenticated, undefined, details);
  };
  return {
    async unary(method, signal, timeout, header, ...rest) {
      const answer = await next.unary(method, signal, timeout, header, ...rest);
      check(header);
      return answer;
    },
    async stream(method, signal, timeout, header, ...rest) {
      check(header);
      return await next.stream(method, signal, timeout, header, ...rest);
    },
  };
}

/** Returns an error with another detail, if the error has the given reason. */
function changed(error: ConnectError, reason: ErrorReason, change: (detail: ErrorDetail) => ErrorDetail): ConnectError {
  const [detail] = error.findDetails(ErrorDetailSchema);
  if (detail?.reason !== reason) return error;
  return new ConnectError(error.rawMessage, error.code, undefined, [
    { desc: ErrorDetailSchema, value: change(detail) },
  ]);
}
