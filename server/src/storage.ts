/**
 * For authors of a backend or a bus: the ports to implement, and the errors to throw. The suites that test an
 * implementation are in `@streamkit/server/contract`.
 *
 * @packageDocumentation
 */
export { ErrorReason } from "@streamkit/protocol";
export type { Bus } from "./bus/port.ts";
export {
  dataLoss,
  type ErrorFacts,
  NoRoomError,
  ServerError,
  StorageUnusableError,
  StoreClosedError,
  StoreDeletedError,
  storageUnavailable,
} from "./errors.ts";
export type * from "./storage/port.ts";
