import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { TokenCeilingSchema } from "@streamkit/protocol/storage";
import type { PartitionStore, Row } from "../../storage/port.ts";
import { random64 } from "../random64.ts";
import { decodeWith, frameRow } from "../rows/row-frame.ts";
import { LEASES, TOKEN_CEILING_KEY } from "./key-space.ts";
import { Records } from "./records.ts";

/** How far the token of an append may be above the largest that leases of the store have handed out. */
const TOKEN_HEADROOM = 1_000n;
/** How far the row may be behind what leases have handed out. */
const LAG = TOKEN_HEADROOM / 2n;

/**
 * Bounds the fencing tokens that appends may carry: a segment remembers the largest, and one that no lease ever reaches
 * would lock it for good (docs/decisions/0014). Tokens rise by one per acquisition, so the row is written once in some
 * hundreds of them, and appends read it only when they carry a token beyond what is known here.
 */
export class TokenCeiling {
  readonly #store: PartitionStore;
  readonly #records: Records;
  /** A token that was handed out, or 0: what the row says is at least this. */
  #known = 0n;

  /** @param shared other processes may write the store */
  constructor(store: PartitionStore, shared: boolean) {
    this.#store = store;
    this.#records = new Records(store, shared, LEASES);
  }

  /** The largest token that an append may carry, as far as is known here. Never more than what holds everywhere. */
  get allowed(): bigint {
    return this.#known + TOKEN_HEADROOM;
  }

  /** Learns what other instances, and those before, have handed out. */
  async refresh(): Promise<void> {
    this.#learn(tokenOf(await this.#store.get(LEASES, TOKEN_CEILING_KEY)));
  }

  /** Takes note of a token before its holder learns of it, so that every instance accepts it. */
  async handOut(token: bigint): Promise<void> {
    if (token <= this.#known + LAG) return;
    const written = await this.#records.change(TOKEN_CEILING_KEY, (row) => {
      const stored = tokenOf(row);
      return token <= stored + LAG ? { result: stored } : { value: encode(token), result: token };
    });
    this.#learn(written);
  }

  #learn(token: bigint): void {
    if (token > this.#known) this.#known = token;
  }
}

function tokenOf(row: Row | undefined): bigint {
  if (row === undefined) return 0n;
  return decodeWith(row.value, "the ceiling of tokens", (bytes) => fromBinary(TokenCeilingSchema, bytes)).fencingToken;
}

function encode(fencingToken: bigint): Uint8Array[] {
  return frameRow([toBinary(TokenCeilingSchema, create(TokenCeilingSchema, { fencingToken, mark: random64() }))]);
}
