import { coversNames, type Grant, type NameLimit, type NameSelection, VERBS, type Verb } from "./grant.ts";
import { type FullGrant, type GrantClaims, parseClaims, parseGrant } from "./parse-claims.ts";

const ANY_STORE = "*";

/**
 * The operations that a caller may perform. Immutable.
 *
 * Grants add up: an operation is allowed if one grant alone covers all of it. An operation on a whole store needs a
 * grant without limits of spaces and segments; an operation on a whole space needs a grant without limit of segments.
 */
export class Grants {
  /** Everything on all stores, with the verb admin. */
  static readonly all: Grants = Grants.of([{ store: ANY_STORE, verbs: VERBS }]);
  /** Nothing. */
  static readonly none: Grants = Grants.of([]);

  /** A line for each malformed entry of the claims. Such an entry grants nothing. */
  readonly problems: readonly string[];
  /** By verb, then by store in lower case, or "*". Each call looks here, so a look makes no lists. */
  readonly #grants = new Map<Verb, Map<string, FullGrant[]>>();

  private constructor(grants: readonly FullGrant[], problems: readonly string[]) {
    for (const grant of grants) for (const verb of new Set(grant.verbs)) this.#add(verb, grant);
    this.problems = problems;
  }

  #add(verb: Verb, grant: FullGrant): void {
    const byStore = this.#grants.get(verb) ?? new Map<string, FullGrant[]>();
    this.#grants.set(verb, byStore);
    const others = byStore.get(grant.store);
    if (others === undefined) byStore.set(grant.store, [grant]);
    else others.push(grant);
  }

  /**
   * The grants of a token: the claims `scope`, `scp`, `permissions` and `streamkit` together.
   *
   * Never throws. A malformed entry grants nothing, and `problems` tells about it.
   */
  static parse(claims: GrantClaims): Grants {
    const { grants, problems } = parseClaims(claims);
    return new Grants(grants, problems);
  }

  /**
   * Grants for a caller that the program knows.
   *
   * @throws TypeError for a malformed grant
   */
  static of(grants: readonly Grant[]): Grants {
    return new Grants(grants.map(parseGrant), []);
  }

  /**
   * Whether the caller may perform an operation.
   *
   * @param store UUID
   * @param space of the operation; `undefined` for an operation on the whole store
   * @param segment of the operation; `undefined` for an operation on the whole space, or on all spaces
   */
  allows(verb: Verb, store: string, space?: NameSelection, segment?: NameSelection): boolean {
    const byStore = this.#grants.get(verb);
    if (byStore === undefined) return false;
    const forAll = byStore.get(ANY_STORE);
    if (forAll?.some((grant) => covers(grant, space, segment)) === true) return true;
    const forOne = byStore.get(store.toLowerCase());
    return forOne !== undefined && forOne !== forAll && forOne.some((grant) => covers(grant, space, segment));
  }

  /** Whether the caller may perform an operation on all stores. */
  allowsAnyStore(verb: Verb): boolean {
    return this.allows(verb, ANY_STORE);
  }

  /** Whether a list of stores shows this store: the caller may perform the operation on it, or on a part of it. */
  coversStore(verb: Verb, store: string): boolean {
    return this.#grantsOf(verb, store).length > 0;
  }

  /** Whether a list of spaces shows this space: the caller may perform the operation on it, or on a part of it. */
  coversSpace(verb: Verb, store: string, space: string): boolean {
    return this.#grantsOf(verb, store).some((grant) => coversNames(grant.space, space));
  }

  /** Whether any grant has a verb. */
  has(verb: Verb): boolean {
    return this.#grants.has(verb);
  }

  /**
   * The stores of a list: those that `coversStore` covers, in lower case and in order.
   *
   * @returns undefined if the list shows all stores
   */
  stores(verb: Verb): readonly string[] | undefined {
    if (this.#grantsOf(verb, ANY_STORE).length > 0) return undefined;
    return [...(this.#grants.get(verb)?.keys() ?? [])].sort();
  }

  /**
   * The spaces of a list: those that `coversSpace` covers. Limits may overlap.
   *
   * @returns undefined if the list shows all spaces of the store
   */
  spaceLimits(verb: Verb, store: string): readonly NameLimit[] | undefined {
    return limitsOf(this.#grantsOf(verb, store).map(({ space }) => space));
  }

  /**
   * The segments of a list. Limits may overlap.
   *
   * @returns undefined if the list shows all segments of the space
   */
  segmentLimits(verb: Verb, store: string, space: string): readonly NameLimit[] | undefined {
    const grants = this.#grantsOf(verb, store).filter((grant) => coversNames(grant.space, space));
    return limitsOf(grants.map(({ segment }) => segment));
  }

  /**
   * Whether leases, cursors and workers that the caller makes in a store belong to the caller alone: all grants that
   * allow the operation say `bind`.
   */
  binds(store: string, verb: Verb = "coordinate"): boolean {
    const grants = this.#grantsOf(verb, store).filter((grant) => covers(grant, undefined, undefined));
    return grants.length > 0 && grants.every((grant) => grant.bind);
  }

  /** Grants with this verb for one store, with those for all stores. */
  #grantsOf(verb: Verb, store: string): readonly FullGrant[] {
    const forAll = this.#grants.get(verb)?.get(ANY_STORE) ?? [];
    const forOne = store === ANY_STORE ? [] : (this.#grants.get(verb)?.get(store.toLowerCase()) ?? []);
    return [...forAll, ...forOne];
  }
}

/** Returns undefined if one of the limits is absent: then nothing is limited. */
function limitsOf(limits: readonly (NameLimit | undefined)[]): readonly NameLimit[] | undefined {
  return limits.includes(undefined) ? undefined : limits.filter((limit) => limit !== undefined);
}

function covers(grant: FullGrant, space: NameSelection | undefined, segment: NameSelection | undefined): boolean {
  return coversNames(grant.space, space) && coversNames(grant.segment, segment);
}
