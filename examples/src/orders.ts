// #region orders
import { json, type SpaceHandle, type StoreHandle, StreamkitError } from "@streamkit/client";

export type OrderEvent = { type: "placed"; cents: number } | { type: "paid" };
export type Orders = SpaceHandle<OrderEvent, OrderEvent>;

/** The space of orders in a store. */
export function ordersOf(store: StoreHandle): Orders {
  return store.withCodec(json<OrderEvent>()).space("orders");
}

/** Places an order: true for the first caller, false when there is such an order already. */
export async function place(orders: Orders, id: string, cents: number): Promise<boolean> {
  try {
    await orders.segment(id).append([{ type: "placed", cents }], { expectedLastSequence: 0 });
    return true;
  } catch (error) {
    if (error instanceof StreamkitError && error.reason === "SEQUENCE_MISMATCH") return false;
    throw error;
  }
}
// #endregion orders
