import type { Codec } from "../codec.ts";
import type { SpaceOffsets } from "../position.ts";
import type { MergedReadOptions } from "../read/bounds.ts";
import type { Consumption } from "../read/consumption.ts";
import type { SpaceHandle } from "../space.ts";

/**
 * The part of a store handle that a consumer itself uses; handlers get the whole handle. It keeps the consumer
 * independent of `StoreHandle`, which makes consumers.
 */
export interface ConsumedStore<Out> {
  follow(options: Omit<MergedReadOptions, "follow">): Consumption<Out, SpaceOffsets>;
  space(name: string): Pick<SpaceHandle<Out, never>, "status">;
  withCodec<O, I>(codec: Codec<O, I>): { space(name: string): SpaceHandle<O, I> };
}
