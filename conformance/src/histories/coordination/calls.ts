import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import {
  AcquireLeaseRequestSchema,
  AppendRequestSchema,
  CommitCursorRequestSchema,
  ConsumeSegmentRequestSchema,
  type Cursor,
  ErrorReason,
  GetCursorRequestSchema,
  GetLeaseRequestSchema,
  ReleaseLeaseRequestSchema,
  RenewLeaseRequestSchema,
} from "@streamkit/protocol";
import type { Request } from "@streamkit/protocol/conformance";
import type { LiveCall } from "../../suite/run/live-call.ts";
import type { Session } from "../../suite/run/session.ts";
import { entriesOf } from "../entries/entries.ts";
import { requestOf } from "../entries/requests.ts";
import type { CoordinationEvent, CursorCommit, CursorState, FencedAppend, LeaseCall } from "./event.ts";
import { TTL_MILLIS } from "./plan.ts";

/** The space of the holders' appends. Each key has its own segment. */
const SPACE = "coordinated";

/** The caller and the instance that it calls. */
export interface Caller {
  readonly actor: string;
  readonly instance: number;
}

/** Reasons that trouble explains, and refusals that the rules check. Any other reason is a defect. */
const EXPLAINED: ReadonlySet<ErrorReason> = new Set([
  ErrorReason.STORAGE_UNAVAILABLE,
  ErrorReason.SHUTTING_DOWN,
  ErrorReason.OVERLOADED,
  // The server may notice an exceeded deadline or a closed connection before the client does.
  ErrorReason.DEADLINE_EXCEEDED,
  ErrorReason.CANCELED,
  ErrorReason.LEASE_HELD,
  ErrorReason.LEASE_LOST,
  ErrorReason.FENCED,
  ErrorReason.CURSOR_CONFLICT,
  ErrorReason.NOT_FOUND,
]);

/** Makes each call once and records it. */
export class CoordinationCalls {
  /** Time limit of a call in milliseconds; after it, the outcome counts as unknown. */
  callMillis: number;
  readonly #storeId: string;
  readonly #session: Session;
  readonly #record: (event: CoordinationEvent) => void;

  constructor(session: Session, storeId: string, callMillis: number, record: (event: CoordinationEvent) => void) {
    this.#session = session;
    this.#storeId = storeId;
    this.callMillis = callMillis;
    this.#record = record;
  }

  /** @param claimed token to renew or release */
  async lease(caller: Caller, rpc: LeaseCall["rpc"], key: string, claimed = 0): Promise<LeaseCall> {
    const common = { storeId: this.#storeId, key, holder: caller.actor };
    const ttl = durationFromMs(TTL_MILLIS);
    const claim = { ...common, fencingToken: BigInt(claimed) };
    const requests: Record<LeaseCall["rpc"], Request["message"]> = {
      acquire: { case: "acquireLease", value: create(AcquireLeaseRequestSchema, { ...common, ttl }) },
      renew: { case: "renewLease", value: create(RenewLeaseRequestSchema, { ...claim, ttl }) },
      release: { case: "releaseLease", value: create(ReleaseLeaseRequestSchema, claim) },
    };
    const { call, timed } = await this.#call(`${rpc} ${key}`, caller, requests[rpc]);
    const event = { kind: "lease", ...timed, rpc, key, holder: caller.actor, ttlMillis: TTL_MILLIS } as const;
    const outcome = leaseOutcome(call);
    return this.#recorded(rpc === "acquire" ? { ...event, outcome } : { ...event, claimed, outcome });
  }

  /** Reads the holder of a lease. */
  async look(caller: Caller, key: string): Promise<void> {
    const value = create(GetLeaseRequestSchema, { storeId: this.#storeId, key });
    const { call, timed } = await this.#call(`look at ${key}`, caller, { case: "getLease", value });
    const [response] = call.responses;
    const lease = response?.case === "getLease" ? response.value.lease : undefined;
    if (lease === undefined && reasonOf(call) !== ErrorReason.NOT_FOUND) return;
    const found = lease && { found: { holder: lease.holder, token: Number(lease.fencingToken) } };
    this.#recorded({ kind: "look", ...timed, key, ...found });
  }

  /** Appends one record to the segment of a key. */
  async append(caller: Caller, key: string, token: number, payload: string): Promise<FencedAppend> {
    const value = create(AppendRequestSchema, {
      storeId: this.#storeId,
      space: SPACE,
      appends: [{ segment: key, fencingToken: BigInt(token), records: [{ payload: Buffer.from(payload) }] }],
    });
    const { call, timed } = await this.#call(`append to ${key}`, caller, { case: "append", value });
    const refused = reasonOf(call) === ErrorReason.FENCED ? "refused" : "unknown";
    const is = call.responses.length > 0 ? "acked" : refused;
    return this.#recorded({ kind: "fenced", ...timed, key, token, payload, outcome: { is } });
  }

  /** Reads the segment of a key. Resolves to true if the read is complete. */
  async log(caller: Caller, key: string): Promise<boolean> {
    const value = create(ConsumeSegmentRequestSchema, { storeId: this.#storeId, space: SPACE, segment: key });
    const { call, timed } = await this.#call(`read ${key}`, caller, { case: "consumeSegment", value });
    if (!call.ended || call.failure !== undefined) return false;
    const payloads = entriesOf(call.responses).map(({ payload }) => payload);
    this.#recorded({ kind: "log", ...timed, key, payloads });
    return true;
  }

  async commit(
    caller: Caller,
    what: Pick<CursorCommit, "name" | "space" | "offset"> & { readonly expected: number | undefined },
  ): Promise<CursorCommit> {
    const { expected, ...named } = what;
    const value = create(CommitCursorRequestSchema, {
      storeId: this.#storeId,
      name: named.name,
      offsets: { [named.space]: BigInt(named.offset) },
      ...(expected === undefined ? {} : { expectedVersion: BigInt(expected) }),
    });
    const { call, timed } = await this.#call(`commit ${named.name}`, caller, { case: "commitCursor", value });
    const event = { kind: "commit", ...timed, ...named, outcome: commitOutcome(call) } as const;
    return this.#recorded(expected === undefined ? event : { ...event, expected });
  }

  /** Reads a cursor. Resolves to undefined without an answer. */
  async read(caller: Caller, name: string): Promise<CursorState | undefined> {
    const value = create(GetCursorRequestSchema, { storeId: this.#storeId, name });
    const { call, timed } = await this.#call(`read ${name}`, caller, { case: "getCursor", value });
    const [response] = call.responses;
    const cursor = response?.case === "getCursor" ? response.value.cursor : undefined;
    if (cursor === undefined && reasonOf(call) !== ErrorReason.NOT_FOUND) return undefined;
    const found = cursor && stateOf(cursor);
    this.#recorded({ kind: "cursor", ...timed, name, ...(found && { found }) });
    return found ?? { version: 0, offsets: {} };
  }

  async #call(what: string, { actor, instance }: Caller, message: Request["message"]) {
    const start = performance.now();
    const options = { instance, deadlineMillis: this.callMillis };
    const call = await this.#session.call(actor, requestOf(message), options);
    if (!(await call.until(() => call.ended, 2 * this.callMillis))) this.#session.cancel(call);
    const timed = { start, end: performance.now(), instance };
    const reason = reasonOf(call);
    if (reason !== undefined && !EXPLAINED.has(reason)) {
      const where = `${what} at instance ${instance}`;
      const failure = { space: "", what: where, reason: ErrorReason[reason], message: call.failure?.message ?? "" };
      this.#recorded({ kind: "failure", ...timed, ...failure });
    }
    return { call, timed };
  }

  #recorded<E extends CoordinationEvent>(event: E): E {
    this.#record(event);
    return event;
  }
}

function reasonOf(call: LiveCall): ErrorReason | undefined {
  return call.failure?.details[0]?.reason;
}

function leaseOutcome(call: LiveCall): LeaseCall["outcome"] {
  const [response] = call.responses;
  switch (response?.case) {
    case "acquireLease":
    case "renewLease":
      return { is: "granted", token: Number(response.value.lease?.fencingToken ?? 0n) };
    case "releaseLease":
      return { is: "released" };
  }
  if (reasonOf(call) === ErrorReason.LEASE_HELD) return { is: "held" };
  return { is: reasonOf(call) === ErrorReason.LEASE_LOST ? "lost" : "unknown" };
}

function commitOutcome(call: LiveCall): CursorCommit["outcome"] {
  const [response] = call.responses;
  const cursor = response?.case === "commitCursor" ? response.value.cursor : undefined;
  if (cursor !== undefined) return { is: "acked", ...stateOf(cursor) };
  return { is: reasonOf(call) === ErrorReason.CURSOR_CONFLICT ? "conflict" : "unknown" };
}

function stateOf({ version, offsets }: Cursor): CursorState {
  const numbers = Object.entries(offsets).map(([space, offset]) => [space, Number(offset)]);
  return { version: Number(version), offsets: Object.fromEntries(numbers) as Record<string, number> };
}
