/**
 * Calls a function after all microtasks and, with `setImmediate`, after pending I/O. A timer of 0 ms would take a whole
 * millisecond, and four in browsers.
 */
export const soon: (callback: () => void) => void =
  typeof setImmediate === "function" ? (callback) => void setImmediate(callback) : messageTask;

function messageTask(callback: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    callback();
  };
  port2.postMessage(undefined);
}
