import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { TokenCeilingSchema } from "@streamkit/protocol/storage";
import type { PartitionStore, Row } from "../../storage/port.ts";
import { random64 } from "../random64.ts";
import { decodeWith, frameRow } from "../rows/row-frame.ts";
import { LEASES, TOKEN_CEILING_KEY } from "./key-space.ts";
import { Records } from "./records.ts";

/** How far the token of an append may exceed the largest token that leases of the store have handed out. */
const TOKEN_HEADROOM = 1_000n;
/** How far the row may lag behind the largest token that was handed out. */
const LAG = TOKEN_HEADROOM / 2n;

/**
 * Bounds the fencing tokens that appends may carry. A segment remembers the largest token, and a token that no lease
 * ever reaches would lock the segment for ever (docs/decisions/0014). Tokens rise by one per acquisition, so the row is
 * written once in some hundreds of acquisitions. An append reads the row only if its token exceeds the known bound.
 */
export class TokenCeiling {
  readonly #store: PartitionStore;
  readonly #records: Records;
  /** The largest known token that was handed out, or 0. The row holds at least this value. */
  #known = 0n;

  /** @param shared true if other processes may write the store */
  constructor(store: PartitionStore, shared: boolean) {
    this.#store = store;
    this.#records = new Records(store, shared, LEASES);
  }

  /** The largest token that an append may carry, as far as this instance knows. Never above the true bound. */
  get allowed(): bigint {
    return this.#known + TOKEN_HEADROOM;
  }

  /** Reads the tokens that other instances and earlier starts have handed out. */
  async refresh(): Promise<void> {
    this.#learn(tokenOf(await this.#store.get(LEASES, TOKEN_CEILING_KEY)));
  }

  /** Records a token before its holder gets it, so that every instance accepts the token. */
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
