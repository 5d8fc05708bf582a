/**
 * True for headers that nobody can change, so that a transport may keep their encoded form: a frozen record. A client
 * with a token passes the same one with each call.
 */
export function areSteady(headers: HeadersInit): boolean {
  // Freezing does not stop changes of a Headers object, or of the pairs in an array.
  return Object.isFrozen(headers) && !(Symbol.iterator in headers);
}
