import type { DescMethod } from "@bufbuild/protobuf";
import { createContextKey } from "@connectrpc/connect";
import { ErrorReason, Operation } from "@streamkit/protocol";
import { ServerError } from "../errors.ts";
import { missingVerb, refusalOf } from "./access-error.ts";
import { verbOf } from "./authorize.ts";
import { AccessDenied } from "./denial.ts";
import { Grants } from "./grants.ts";
import { operationOf } from "./operations.ts";
import type { AccessRequest, Authenticate, Principal } from "./principal.ts";

/**
 * The principal of a call, for interceptors: `request.contextValues.get(principalKey)`. Undefined without
 * authentication, for RPCs that need no credentials, and for trusted calls in the same process.
 */
export const principalKey = createContextKey<Principal | undefined>(undefined, {
  description: "the principal of the call",
});

/**
 * True for calls that the application trusts: those in the same process. Without this key, a call that has lost its
 * principal would count as trusted.
 */
export const trustedKey = createContextKey(false, { description: "the application trusts the call" });

/** A call that has arrived. Nobody has read its request yet. */
export interface Arrival {
  readonly method: DescMethod;
  /** Describes the call for authentication. */
  accessRequest(): AccessRequest;
}

export interface GateOptions {
  readonly authenticate: Authenticate;
  /** Receives errors of `authenticate` that are no refusals. */
  readonly onDefect: (cause: unknown) => void;
}

/** Decides by the headers of a call whether the server reads its request. */
export class Gate {
  readonly #authenticate: Authenticate;
  readonly #onDefect: (cause: unknown) => void;

  constructor({ authenticate, onDefect }: GateOptions) {
    this.#authenticate = authenticate;
    this.#onDefect = onDefect;
  }

  /**
   * Returns the principal of a call; undefined if the RPC needs none. Returns a promise only if `authenticate` does.
   *
   * @throws ServerError TOKEN_MISSING, TOKEN_INVALID or TOKEN_EXPIRED; AUTHENTICATION_UNAVAILABLE; PERMISSION_DENIED if
   * no grant of the principal has the verb of the RPC
   */
  check(arrival: Arrival): Principal | undefined | Promise<Principal> {
    const operation = operationOf(arrival.method);
    if (operation === Operation.NONE) return undefined;
    const found = this.authenticate(arrival.accessRequest());
    if (found instanceof Promise) return found.then((principal) => permitted(principal, operation));
    return permitted(found, operation);
  }

  /**
   * Returns the principal of a request, or a promise of it.
   *
   * @throws ServerError as `check`, except PERMISSION_DENIED
   */
  authenticate(request: AccessRequest): Principal | Promise<Principal> {
    try {
      const found = this.#authenticate(request);
      if (!isThenable(found)) return this.#checked(found);
      return Promise.resolve(found).then(
        (principal) => this.#checkedOrRefused(principal),
        (error: unknown) => {
          throw this.#refusal(error);
        },
      );
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  #checkedOrRefused(principal: Principal): Principal {
    try {
      return this.#checked(principal);
    } catch (error) {
      throw this.#refusal(error);
    }
  }

  /** @throws AccessDenied for credentials that are over; TypeError for a result that is no principal */
  #checked(principal: Principal): Principal {
    if (typeof principal?.subject !== "string" || !(principal.grants instanceof Grants)) {
      throw new TypeError("authenticate returned no principal; expected an object with a subject and grants");
    }
    const { expiresAt, revoked } = principal;
    if (revoked?.aborted === true) throw new AccessDenied("TOKEN_EXPIRED", "the credentials were revoked");
    // An expiry that is no number is over.
    if (expiresAt !== undefined && !(expiresAt > Date.now())) {
      throw new AccessDenied("TOKEN_EXPIRED", "the credentials have expired; get new ones");
    }
    return principal;
  }

  #refusal(error: unknown): ServerError {
    const refusal = refusalOf(error);
    if (refusal !== undefined) return refusal;
    this.#onDefect(error);
    const message = "the server cannot check the credentials now; try again later";
    return new ServerError(ErrorReason.AUTHENTICATION_UNAVAILABLE, message, { retryAfterMillis: 1_000 });
  }
}

/** @throws ServerError PERMISSION_DENIED if no grant has the verb of the operation */
function permitted(principal: Principal, operation: Operation): Principal {
  const verb = verbOf(operation);
  if (verb !== undefined && !principal.grants.has(verb)) throw missingVerb(verb, principal.grants);
  return principal;
}

function isThenable(value: Principal | Promise<Principal>): value is Promise<Principal> {
  return typeof (value as Promise<Principal> | undefined)?.then === "function";
}
